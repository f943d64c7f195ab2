"""A pipe that never ends as the formulas of a folder."""

from __future__ import annotations

import os

from tests.attacks.kit import Kit

REFUSED = "no formulas file"


def attack(kit: Kit) -> None:
    (kit.inputs / "set").mkdir()
    path = kit.inputs / "set" / "formulas.csv"
    os.mkfifo(path)
    kit.read_file(kit.inputs / "set")
