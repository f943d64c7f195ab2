"""A workbook of five thousand and one parts."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "too large"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD), {f"xl/x{number}.xml": b"<x/>" for number in range(5_001)})
