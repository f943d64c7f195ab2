"""A cell whose formula would start a program in a spreadsheet."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "never stored|refused"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD, '<row r="2"><c r="A2"><f>cmd|&apos;/c calc&apos;!A0</f></c></row>'))
