"""A step of a million digits, which takes minutes to convert."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "cannot be read"


def attack(kit: Kit) -> None:
    kit.load_run({"status.json": kit.changed("status.json").replace(b'"step": 60', b'"step": 1' + b"0" * 1_000_000)})
