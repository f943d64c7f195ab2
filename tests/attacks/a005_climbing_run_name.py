"""The run itself is called ".."."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "exactly one run"


def attack(kit: Kit) -> None:
    kit.load(kit.zipped({f"../{name}": content for name, content in kit.members.items()}))
