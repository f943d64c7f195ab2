"""A workbook whose sheet is packed by a method that does not exist."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "damaged"


def attack(kit: Kit) -> None:
    path = kit.workbook(rows(HEAD))
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.find(mark) + offset] = 97
    path.write_bytes(content)
    kit.read_file(path)
