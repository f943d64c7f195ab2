"""The real set: motor octane numbers of hydrocarbon mixtures, read from the installed package bofire.

bofire is an optional extra. Its file is found without importing the package, which would load far more
than a table. Nothing of it is stored in this project.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from matrep_core.errors import NotThere
from matrep_core.formulas.reading import ReadingOptions, read_data
from matrep_core.formulas.schema import FormulaSet, Property

INSTALL = "pip install -r requirements-octane.txt"
SOURCE = (
    "722 mixtures of 423 molecules with their motor octane number (MON), from npj Computational Materials 2025, "
    "doi 10.1038/s41524-025-01552-2, as shipped in the Python package bofire 0.5.0 (BSD-3-Clause). Molecules are "
    "written as SMILES; amounts are taken as weight-% and rescaled where a mixture does not sum to 100."
)
_FILE = Path("benchmarks", "data", "octane.csv")


def octane_path() -> Path | None:
    """The file inside the installed package, None where the package is not installed."""
    spec = find_spec("bofire")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    return None


def read_octane() -> FormulaSet:
    """The octane set; raises NotThere with the way to install it, DataRefused where the file is not as expected."""
    path = octane_path()
    if path is None:
        raise NotThere(f"The octane set ships inside the package bofire, which is not installed. Install it: {INSTALL}")
    options = ReadingOptions(property_columns=("MON",), formula_id_column="Label", rescale=True)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "octane.csv"
        _write_with_own_labels(path, table)
        data = read_data([table], options, {table: path.name}).data
    info = data.material_info.copy()
    info["smiles"] = list(data.materials)
    info["function"] = [molecule_class(smiles) for smiles in data.materials]
    return replace(data, name="Motor octane numbers", material_info=info, properties=(Property("MON", "", "linear"),))


def _write_with_own_labels(source: Path, target: Path) -> None:
    """Copy the table; a label that stood before gets a number, because each row is a measurement of its own."""
    with source.open(newline="", encoding="utf-8") as file, target.open("w", newline="", encoding="utf-8") as copy:
        rows, writer, seen = csv.reader(file), csv.writer(copy), Counter()
        writer.writerow(next(rows))
        for label, *cells in rows:
            seen[label] += 1
            writer.writerow([label if seen[label] == 1 else f"{label} ({seen[label]})", *cells])


def molecule_class(smiles: str) -> str:
    """The class of a fuel molecule, read off its SMILES: the first that fits of these.

    oxygenate (any oxygen), aromatic (a ring in lower case), alkyne or diene, olefin (one double bond, cyclic
    or not), naphthene (a ring without double bonds), isoparaffin (a branched chain), paraffin (a straight one).
    """
    if "O" in smiles or "o" in smiles:
        return "oxygenate"
    if "c" in smiles:
        return "aromatic"
    if "#" in smiles or smiles.count("=") > 1:
        return "alkyne or diene"
    if "=" in smiles:
        return "olefin"
    if re.search(r"\d", smiles):
        return "naphthene"
    return "isoparaffin" if "(" in smiles else "paraffin"
