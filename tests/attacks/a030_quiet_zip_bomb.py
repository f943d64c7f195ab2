"""A bomb that hides its size: the zip's table says ten bytes, far more come out."""

from __future__ import annotations

import zipfile

from tests.attacks.kit import Kit

REFUSED = "unpacked|larger than its zip says"


def attack(kit: Kit) -> None:
    path = kit.zipped({f"sample/{n}": c for n, c in {**kit.members, "metrics.jsonl": bytes(2**25)}.items()}, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    size = (2**25).to_bytes(4, "little")
    assert content.count(size) == 2  # beside the member and in the table at the end
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    kit.load(path)
