"""A quote that is never closed turns twenty megabytes into one cell."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "a cell has more than"


def attack(kit: Kit) -> None:
    kit.read('formula_id,material,amount\nF1,"' + "A\n" * 10_000_000)
