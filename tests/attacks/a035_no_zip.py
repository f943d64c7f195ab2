"""A text that is called a zip."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not a zip"


def attack(kit: Kit) -> None:
    (kit.inputs / "text.zip").write_text("not a zip")
    kit.load(kit.inputs / "text.zip")
