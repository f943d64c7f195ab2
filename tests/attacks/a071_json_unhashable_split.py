"""A split whose parts are lists."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "does not fit"


def attack(kit: Kit) -> None:
    kit.load_run({"split.json": kit.changed("split.json", parts=[["train"]] * 100)})
