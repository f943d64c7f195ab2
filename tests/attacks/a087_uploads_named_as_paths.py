"""Files whose names, as an upload brings them, lead elsewhere: only ever shown."""

from __future__ import annotations

from matrep_core.errors import DataRefused
from matrep_core.formulas.reading import read_data
from tests.attacks.kit import Kit

HARMLESS = "the name stands in the message alone"


def attack(kit: Kit) -> None:
    path = kit.inputs / "upload-0.csv"
    path.write_text("formula_id,material,amount\nF1,A,-1\n")
    for name in ("../../outside.txt", "/etc/passwd", "C:\\x.csv", "<b>.csv", "x" * 5_000, "a\nb.csv", "\u202evsc.exe"):
        try:
            read_data([path], names={path: name})
        except DataRefused as refused:
            assert refused.faults[0].row == 2
            continue
        raise AssertionError(name)
