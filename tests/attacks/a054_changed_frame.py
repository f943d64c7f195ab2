"""One bit of a frame is another."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "damaged"


def attack(kit: Kit) -> None:
    content = bytearray(kit.members["frames/vectors.bin"])
    content[-5] ^= 1
    kit.load_run({"frames/vectors.bin": bytes(content)})
