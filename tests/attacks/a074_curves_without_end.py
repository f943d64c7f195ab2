"""Curves of two million lines."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "larger than that of any run"


def attack(kit: Kit) -> None:
    kit.load_run({"metrics.jsonl": kit.members["metrics.jsonl"].splitlines(keepends=True)[0] * 100_000})
