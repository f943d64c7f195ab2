"""A header made to keep the pattern of units busy for ever."""

from __future__ import annotations

from matrep_core.formulas.reading import ReadingOptions, read_data
from tests.attacks.kit import Kit

REFUSED = "data was refused"


def attack(kit: Kit) -> None:
    header = "formula_id,A," + "(" * 4_000 + "[" * 4_000 + "\n"
    path = kit.inputs / "wide.csv"
    path.write_text(header + "F1,100,5\n")
    read_data([path], ReadingOptions(property_columns=("(",)))
