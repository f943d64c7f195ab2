"""A member packed by a method that does not exist."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "cannot be unpacked"


def attack(kit: Kit) -> None:
    path = kit.zipped({f"sample/{name}": content for name, content in kit.members.items()})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.find(mark) + offset] = 97
    path.write_bytes(content)
    kit.load(path)
