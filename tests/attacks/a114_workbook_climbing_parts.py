"""A workbook whose parts climb out of it."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "data was refused"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD), {"../../outside.txt": b"x", "/tmp/outside.txt": b"x"})
