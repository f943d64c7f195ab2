"""A file that Python would run at its start."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    kit.load_run({"data/x.pth": b"import os"})
