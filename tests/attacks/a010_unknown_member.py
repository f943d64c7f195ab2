"""A member that no run has: what torch.save writes."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    kit.load_run({"step-000000060/state.pt": kit.pickled()})
