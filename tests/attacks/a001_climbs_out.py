"""A member of the zip climbs out of the run's folder."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    kit.load_run({"../../outside.txt": b"x"})
