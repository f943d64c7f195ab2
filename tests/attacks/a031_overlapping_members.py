"""Thousands of members that all point to the same bytes: 2 MB that unpack to gigabytes."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "more than 1,000 files"


def attack(kit: Kit) -> None:
    contents = {f"sample/{name}": content for name, content in kit.members.items()}
    contents |= {f"sample/step-{number:09d}/state.safetensors": bytes(1000) for number in range(20_000)}
    path = kit.zipped(contents)
    kit.load(path)
