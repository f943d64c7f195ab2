"""A binary workbook of the nineties, with macros, under the new ending."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not an .xlsx workbook"


def attack(kit: Kit) -> None:
    (kit.inputs / "book.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(60_000))
    kit.read_file(kit.inputs / "book.xlsx")
