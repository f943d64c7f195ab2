"""A status with NaN, which JSON does not have."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not a JSON number"


def attack(kit: Kit) -> None:
    kit.load_run({"status.json": kit.members["status.json"].replace(b'"seconds": ', b'"seconds": NaN, "x": ')})
