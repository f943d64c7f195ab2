"""A cell in the last column of the last row."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "16384 cells"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD, '<row r="1048576"><c r="XFD1048576" t="str"><v>x</v></c></row>'))
