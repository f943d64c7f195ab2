"""A frame whose scale is so large that its numbers overflow."""

from __future__ import annotations

import json
import zlib

from tests.attacks.kit import Kit

REFUSED = "damaged|finite"


def attack(kit: Kit) -> None:
    lines = kit.members["frames/index.jsonl"].splitlines()
    entry = json.loads(lines[0])
    block = kit.members["frames/vectors.bin"][: len(kit.members["frames/vectors.bin"]) // len(lines)]
    scale = 1e305
    crc = zlib.crc32(block, zlib.crc32(f"{entry['step']} {scale!r}".encode()))
    lines[0] = json.dumps({**entry, "scale": scale, "crc32": crc}).encode()
    kit.load_run({"frames/index.jsonl": b"\n".join(lines) + b"\n"})
