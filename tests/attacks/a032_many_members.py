"""A hundred thousand empty members."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "more than 1,000 files"


def attack(kit: Kit) -> None:
    kit.load(kit.zipped({f"sample/step-{number:09d}/manifest.json": b"" for number in range(100_000)}))
