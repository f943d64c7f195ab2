"""A header of half a million columns."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "columns"


def attack(kit: Kit) -> None:
    kit.read(",".join(f"c{number}" for number in range(500_000)) + "\n")
