"""A compressed pickle as joblib writes it in the place of the tensors."""

from __future__ import annotations

import zlib

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    kit.load_run(kit.sealed(zlib.compress(kit.pickled())))
