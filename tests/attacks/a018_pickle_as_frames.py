"""A pickle in the place of the frames."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "damaged"


def attack(kit: Kit) -> None:
    kit.load_run({"frames/vectors.bin": kit.pickled()})
