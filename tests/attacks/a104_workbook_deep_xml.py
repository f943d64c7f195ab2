"""XML nested a million deep."""

from __future__ import annotations

from tests.attacks.kit import Kit, rows

REFUSED = "memory|damaged|empty"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows("<a>" * 1_000_000 + "</a>" * 1_000_000))
