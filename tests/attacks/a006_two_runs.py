"""The zip holds two runs, the second of them hidden behind a good one."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "exactly one run"


def attack(kit: Kit) -> None:
    good = {f"sample/{name}": content for name, content in kit.members.items()}
    kit.load(kit.zipped({**good, "other/config.json": b"{}"}))
