"""A sheet that claims to span every cell there is."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, row, rows

REFUSED = "not a number|data was refused"


def attack(kit: Kit) -> None:
    sheet = rows(HEAD, row(2, "F1", "A", "x")).replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>')
    kit.read_workbook(sheet)
