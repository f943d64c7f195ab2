"""The run's name begins with a dot, so that no list shows it."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "exactly one run"


def attack(kit: Kit) -> None:
    kit.load(kit.zipped({f".sample/{name}": content for name, content in kit.members.items()}))
