"""A pickle in the place of status.json."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "cannot be read"


def attack(kit: Kit) -> None:
    kit.load_run({"status.json": kit.pickled()})
