"""A member climbs out with backslashes, as Windows reads them."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    kit.load_run({"..\\..\\outside.txt": b"x"})
