"""An index of a million frames over the bytes of eight."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "larger than that of any run"


def attack(kit: Kit) -> None:
    lines = (b'{"step": %d, "scale": 1e-05, "crc32": 0}' % step for step in range(200_000))
    kit.load_run({"frames/index.jsonl": b"\n".join(lines) + b"\n"})
