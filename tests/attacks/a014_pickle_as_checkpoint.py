"""A pickle in the place of the checkpoint's tensors, under a right seal."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    kit.load_run(kit.sealed(kit.pickled(), "step-000000060"))
