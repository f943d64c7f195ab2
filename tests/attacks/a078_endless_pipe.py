"""A pipe that never ends in the place of a table."""

from __future__ import annotations

import os

from tests.attacks.kit import Kit

REFUSED = "no such file"


def attack(kit: Kit) -> None:
    os.mkfifo(kit.inputs / "formulas.csv")
    kit.read_file(kit.inputs / "formulas.csv")
