"""An amount of five million digits, which takes long to convert."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "row 2: a cell has more than"


def attack(kit: Kit) -> None:
    kit.read("formula_id,material,amount\nF1,A," + "1" * 5_000_000 + "\n")
