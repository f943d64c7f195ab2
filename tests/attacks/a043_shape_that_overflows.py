"""A tensor whose shape multiplies to zero when it overflows."""

from __future__ import annotations

import json

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    header = json.dumps({"material_vectors": {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 0]}}).encode()
    kit.load_run(kit.sealed(len(header).to_bytes(8, "little") + header))
