"""A workbook that carries a macro project and a link to another workbook."""

from __future__ import annotations

from matrep_core.errors import DataRefused
from matrep_core.formulas.reading import read_data
from tests.attacks.kit import HEAD, PROPERTIES, Kit, row, rows

HARMLESS = "macros and links are parts that nothing opens"


def attack(kit: Kit) -> None:
    cells = row(2, "F1", "A", "100")
    extra = {"xl/vbaProject.bin": kit.pickled(), "xl/externalLinks/externalLink1.xml": b"<x/>"}
    path = kit.workbook(rows(HEAD, cells), extra)
    (kit.inputs / "properties.csv").write_text(PROPERTIES)
    try:
        read_data([path, kit.inputs / "properties.csv"])
    except DataRefused as refused:
        assert "canary" not in str(refused)  # an amount that is text is read as text: it may also be read
