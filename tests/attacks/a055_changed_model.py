"""One bit of the model is another."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "sha256"


def attack(kit: Kit) -> None:
    content = bytearray(kit.members["model/state.safetensors"])
    content[-5] ^= 1
    kit.load_run({"model/state.safetensors": bytes(content)})
