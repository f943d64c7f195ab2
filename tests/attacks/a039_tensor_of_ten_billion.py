"""1.6 kB of tensors whose header claims ten billion numbers, under a right seal."""

from __future__ import annotations

import json

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    header = json.dumps({"material_vectors": {"dtype": "F32", "shape": [10**10], "data_offsets": [0, 4 * 10**10]}}).encode()
    kit.load_run(kit.sealed(len(header).to_bytes(8, "little") + header + bytes(1600)))
