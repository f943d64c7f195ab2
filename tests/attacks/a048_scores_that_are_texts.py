"""Errors that are markup instead of numbers."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "no errors"


def attack(kit: Kit) -> None:
    bad = {part: {"mae": "<script>alert(1)</script>", "rmse": 1, "r2": None, "measurements": 1} for part in ("full", "eval", "train")}
    kit.load_run(kit.sealed(kit.members["model/state.safetensors"], scores=bad))
