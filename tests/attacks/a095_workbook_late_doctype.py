"""A document type behind three megabytes of comment, across the reader's blocks."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "document type"


def attack(kit: Kit) -> None:
    comment = "<!-- " + "x" * (3 * 2**20 - 20) + " -->"
    kit.read_workbook(rows(HEAD, head=comment + "<!DOCTYPE x>"))
