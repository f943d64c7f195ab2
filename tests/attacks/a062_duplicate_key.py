"""A status in which one key stands twice."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "twice"


def attack(kit: Kit) -> None:
    kit.load_run({"status.json": b'{"state": "done", "state": "queued"}'})
