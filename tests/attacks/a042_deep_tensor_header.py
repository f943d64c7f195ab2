"""Tensors whose header is nested a hundred thousand deep."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    header = b"[" * 100_000
    kit.load_run(kit.sealed(len(header).to_bytes(8, "little") + header))
