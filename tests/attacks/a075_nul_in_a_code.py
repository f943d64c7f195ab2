"""A NUL inside a code, which ends a text in other programs."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "row 2.*control character"


def attack(kit: Kit) -> None:
    kit.read("formula_id,material,amount\nF1,A\x00B,100\n")
