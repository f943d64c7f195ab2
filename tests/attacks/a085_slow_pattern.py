"""A cell made to keep a backtracking pattern busy for ever."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "row 2"


def attack(kit: Kit) -> None:
    kit.read("formula_id,material,amount\nF1,A," + "1,1 1.1'" * 1_200 + "x\n")
