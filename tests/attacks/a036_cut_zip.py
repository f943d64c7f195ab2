"""A zip whose end is missing."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "cannot be unpacked"


def attack(kit: Kit) -> None:
    path = kit.zipped({f"sample/{n}": c for n, c in kit.members.items()})
    path.write_bytes(path.read_bytes()[:-200])
    kit.load(path)
