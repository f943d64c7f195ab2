"""Terminal escape codes inside a code."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "row 2.*control character"


def attack(kit: Kit) -> None:
    kit.read("formula_id,material,amount\nF1,\x1b[2J\x1b]0;x\x07,100\n")
