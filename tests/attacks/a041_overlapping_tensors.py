"""Two tensors that share their bytes."""

from __future__ import annotations

import json

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    one = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    header = json.dumps({"material_vectors": one, "regressor": one}).encode()
    kit.load_run(kit.sealed(len(header).to_bytes(8, "little") + header + bytes(16)))
