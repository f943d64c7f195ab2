"""A member of the zip has an absolute path."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    kit.load_run({"/tmp/outside.txt": b"x"})
