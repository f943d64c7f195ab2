"""A pickle in the place of the curves."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "damaged"


def attack(kit: Kit) -> None:
    kit.load_run({"metrics.jsonl": kit.pickled() + b"\n"})
