"""A pickle that is called a workbook."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not an .xlsx workbook"


def attack(kit: Kit) -> None:
    (kit.inputs / "book.xlsx").write_bytes(kit.pickled())
    kit.read_file(kit.inputs / "book.xlsx")
