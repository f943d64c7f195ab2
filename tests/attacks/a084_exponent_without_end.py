"""An amount with an exponent of ten thousand digits."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not finite|row 2"


def attack(kit: Kit) -> None:
    kit.read("formula_id,material,amount\nF1,A,1e" + "9" * 9_000 + "\n")
