"""A zip that is also a program: a shell script stands before it."""

from __future__ import annotations

from tests.attacks.kit import Kit

HARMLESS = "only the members of the run are taken out; nothing is run"


def attack(kit: Kit) -> None:
    path = kit.zipped({f"sample/{name}": content for name, content in kit.members.items()})
    path.write_bytes(b"#!/bin/sh\ntouch canary\n" + path.read_bytes())
    kit.load(path)
