"""A script among the members."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    kit.load_run({"model/__init__.py": b"import os"})
