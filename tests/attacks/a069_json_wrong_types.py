"""A status whose numbers are lists and whose message is a number."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not a MatRep status"


def attack(kit: Kit) -> None:
    kit.load_run({"status.json": kit.changed("status.json", best_step=[1], seconds={}, message=7)})
