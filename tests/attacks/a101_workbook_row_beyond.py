"""A row with a number of ten thousand digits."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "damaged|order|cells|memory"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD, '<row r="' + "9" * 10_000 + '"><c t="str"><v>x</v></c></row>'))
