"""A split of one formula."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "does not fit"


def attack(kit: Kit) -> None:
    kit.load_run({"split.json": b'{"parts": ["train"]}'})
