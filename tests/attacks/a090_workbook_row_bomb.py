"""One row of three million cells, which a parser must hold as a whole."""

from __future__ import annotations

from tests.attacks.kit import Kit, rows

REFUSED = "memory|order"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows('<row r="1">' + '<c r="A1"/>' * 3_000_000 + "</row>"))
