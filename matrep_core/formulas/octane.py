"""Real motor octane numbers of 722 fuel mixtures, read from the installed package bofire without importing it.

The optional package carries the table as a file; importing it would load far more than a table.
"""

from __future__ import annotations

import csv
import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.errors import DataRefused, Fault, NotThere
from matrep_core.formulas.schema import FormulaSet, Property
from matrep_core.limits import AMOUNT_SUM

SOURCE = (
    "Motor octane numbers (MON) of 722 fuels and mixtures of 423 molecules, published with npj Computational Materials "
    "2025, doi:10.1038/s41524-025-01552-2. The table ships inside the Python package bofire (BSD-3-Clause licence) as "
    "bofire/benchmarks/data/octane.csv. It does not say what its percentages are of; its names suggest volume. MatRep "
    "treats them as amounts, and rescales the few rows that do not sum to 100."
)
PROPERTY = Property("MON", "", "linear")


def octane_path() -> Path | None:
    """The table inside the installed package, or None where the package is not installed."""
    spec = importlib.util.find_spec("bofire")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "benchmarks" / "data" / "octane.csv"
        if path.is_file():
            return path
    return None


def read_octane() -> FormulaSet:
    """The octane set: materials are SMILES, formula ids the fuels' names, one property MON without a unit.

    Two fuels of one name get " (2)" behind the second. Raises NotThere where the package is missing,
    DataRefused where the table is not what it was.
    """
    path = octane_path()
    if path is None:
        raise NotThere(
            "The octane set ships inside the optional package bofire, which is not installed. "
            "Install it with: pip install -r requirements-octane.txt"
        )
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    numbers = _numbers(path.name, header, rows)
    smiles = header[2:]
    order = np.argsort(smiles, kind="stable")
    amounts = numbers[:, 1:][:, order]
    sums = amounts.sum(axis=1, keepdims=True)
    amounts = csr_array(np.where(np.abs(sums - AMOUNT_SUM) < 1e-9, amounts, amounts / sums * AMOUNT_SUM))
    materials = tuple(smiles[i] for i in order)
    return FormulaSet(
        name="Motor octane numbers",
        formula_ids=_distinct([row[0] for row in rows]),
        materials=materials,
        amounts=amounts,
        measurements=pd.DataFrame(
            {"formula": np.arange(len(rows)), "property": PROPERTY.name, "value": numbers[:, 0], "unit": PROPERTY.unit}
        ),
        material_info=pd.DataFrame({"smiles": materials, "function": [hydrocarbon_class(s) for s in materials]}),
        properties=(PROPERTY,),
    )


def hydrocarbon_class(smiles: str) -> str:
    """The class of a molecule by the letters of its SMILES; the first that fits.

    oxygenate (an oxygen), aromatic (an aromatic atom), alkyne (a triple bond), alkene (a double bond, also
    in a ring), naphthene (a ring), branched alkane, straight alkane.
    """
    for name, letters in (
        ("oxygenate", "Oo"),
        ("aromatic", "c"),
        ("alkyne", "#"),
        ("alkene", "="),
        ("naphthene", "123456789"),
        ("branched alkane", "("),
    ):
        if any(letter in smiles for letter in letters):
            return name
    return "straight alkane"


def _numbers(file: str, header: list[str], rows: list[list[str]]) -> np.ndarray:
    """(F, 1 + M) MON and amounts; raises DataRefused with every cell at fault."""
    mend = "Install bofire 0.5.0, the version that was tested."
    faults = []
    if header[:2] != ["Label", "MON"] or len(set(header)) < len(header):
        faults.append(Fault(file, 1, "", "", "the columns are not Label, MON and different molecules", mend))
    numbers = np.full((len(rows), len(header) - 1), np.nan)
    for i, row in enumerate(rows):
        if len(row) != len(header):
            faults.append(Fault(file, i + 2, "", "", f"the row has {len(row)} cells instead of {len(header)}", mend))
            continue
        for j, cell in enumerate(row[1:]):
            try:
                numbers[i, j] = float(cell)
            except ValueError:
                pass
            if not math.isfinite(numbers[i, j]) or (j > 0 and numbers[i, j] < 0):
                faults.append(Fault(file, i + 2, header[j + 1], cell, "the value is not an amount or a number", mend))
        if not faults and not numbers[i, 1:].any():
            faults.append(Fault(file, i + 2, "", "", "the row has no amounts", mend))
    if faults:
        raise DataRefused(faults)
    return numbers


def _distinct(labels: list[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    distinct = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        distinct.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(distinct)
