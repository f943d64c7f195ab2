"""A zip that asks for a password."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "cannot be unpacked|encrypted"


def attack(kit: Kit) -> None:
    path = kit.zipped({f"sample/{name}": content for name, content in kit.members.items()})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(mark, place + 4)
    path.write_bytes(content)
    kit.load(path)
