"""A NUL in the config."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "cannot be read"


def attack(kit: Kit) -> None:
    kit.load_run({"config.json": kit.members["config.json"].replace(b"viscosity", b"visco\x00sity")})
