"""One cell with a text of two hundred megabytes."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, row, rows

REFUSED = "memory|characters"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD, row(2, "F1", "A" * 200_000_000, "100")))
