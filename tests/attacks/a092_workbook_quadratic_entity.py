"""One long entity that is used ten thousand times."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, row, rows

REFUSED = "document type"


def attack(kit: Kit) -> None:
    declared = f'<!DOCTYPE x [<!ENTITY a "{"a" * 100_000}">]>'
    kit.read_workbook(rows(HEAD, row(2, "F1", "&a;" * 10_000, "100"), head=declared))
