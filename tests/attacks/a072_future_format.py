"""A run of a format to come."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "run format 99"


def attack(kit: Kit) -> None:
    kit.load_run({"config.json": kit.changed("config.json", format=99)})
