"""Frames that end in the middle of a block."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "damaged"


def attack(kit: Kit) -> None:
    kit.load_run({"frames/vectors.bin": kit.members["frames/vectors.bin"][:-2]})
