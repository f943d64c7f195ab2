"""One element with two hundred thousand attributes."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "memory|damaged|no formula|missing|data was refused"


def attack(kit: Kit) -> None:
    attributes = " ".join(f'a{number}="x"' for number in range(200_000))
    kit.read_workbook(rows(HEAD, f'<row r="2" {attributes}><c r="A2"/></row>'))
