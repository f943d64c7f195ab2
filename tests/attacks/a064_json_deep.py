"""A split nested a hundred thousand deep."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "cannot be read"


def attack(kit: Kit) -> None:
    kit.load_run({"split.json": b"[" * 100_000})
