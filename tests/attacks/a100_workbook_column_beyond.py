"""A cell in a column that no spreadsheet has."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "damaged|order|cells"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD, '<row r="2"><c r="ZZZZZZZ2" t="str"><v>x</v></c></row>'))
