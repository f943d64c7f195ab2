"""A row of ten million empty cells."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "no formula in it|cells"


def attack(kit: Kit) -> None:
    kit.read("formula_id,material,amount\n" + "," * 10_000_000 + "\n")
