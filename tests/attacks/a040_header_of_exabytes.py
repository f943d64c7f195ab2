"""Tensors whose header claims to be 2^63 bytes long."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    kit.load_run(kit.sealed((2**63 - 1).to_bytes(8, "little") + b"{}"))
