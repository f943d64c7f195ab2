"""Entities that unfold to a billion."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, row, rows

REFUSED = "document type"


def attack(kit: Kit) -> None:
    entities = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi"))
    declared = f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{entities}]>'
    kit.read_workbook(rows(HEAD, row(2, "F1", "&i;", "100"), head=declared))
