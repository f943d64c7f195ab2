"""One word of the manifest is another."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "manifest was changed"


def attack(kit: Kit) -> None:
    kit.load_run({"model/manifest.json": kit.members["model/manifest.json"].replace(b"mae", b"mAe", 1)})
