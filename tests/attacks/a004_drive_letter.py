"""A member names a drive."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "exactly one run"


def attack(kit: Kit) -> None:
    kit.zipped({})
    kit.load(kit.zipped({"C:/sample/config.json": kit.members["config.json"]}))
