"""A FormulaSet in a folder of its own: written and read back exactly, and never trusted when read.

    formulas.parquet       formula_id; the file's metadata carry the name of the set and the format
    materials.parquet      material, then the text columns that describe it
    amounts.parquet        formula and material as row numbers of the two above, amount in weight-%
    measurements.parquet   formula as a row number, property, value, unit, then conditions
    properties.parquet     property, unit, scale
    decisions.parquet      sentence (data sets only): how the set was read
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from matrep_core import limits
from matrep_core.errors import DataRefused, MatRepError, NotThere, RunBroken
from matrep_core.formulas.parquet import arrow_table, column_as_text, rows_of
from matrep_core.formulas.schema import MEASUREMENT_COLUMNS, SCALES, FormulaSet, Property
from matrep_core.formulas.workbook import TEXT

FORMAT = b"1"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")


@dataclass(frozen=True)
class SavedData:
    """One line of the list of data sets."""

    id: str
    name: str
    formulas: int
    materials: int
    saved: datetime  # UTC


# --- one set, one folder ------------------------------------------------------------------------------------


def write_formula_set(data: FormulaSet, folder: Path) -> None:
    """Write the set into ``folder``, which is made if it is not there; ``read_formula_set`` gives the same set back."""
    folder.mkdir(parents=True, exist_ok=True)
    amounts = data.amounts.tocoo()
    formula_ids = pa.table({"formula_id": pa.array(data.formula_ids, pa.string())})
    about = {b"matrep_format": FORMAT, b"matrep_name": data.name.encode()}
    _write(formula_ids.replace_schema_metadata(about), folder / "formulas.parquet")
    info = {name: pa.array(data.material_info[name].tolist(), pa.string()) for name in data.material_info.columns}
    _write(pa.table({"material": pa.array(data.materials, pa.string()), **info}), folder / "materials.parquet")
    coordinates = {
        "formula": pa.array(amounts.coords[0], pa.int32()), "material": pa.array(amounts.coords[1], pa.int32()),
        "amount": pa.array(amounts.data, pa.float64()),
    }  # fmt: skip
    _write(pa.table(coordinates), folder / "amounts.parquet")
    frame = data.measurements
    measured = {
        "formula": pa.array(frame["formula"].to_numpy(), pa.int32()),
        "property": pa.array(frame["property"].tolist(), pa.string()),
        "value": pa.array(frame["value"].to_numpy(), pa.float64()),
        "unit": pa.array(frame["unit"].tolist(), pa.string()),
        # NaN means "not given" and stays NaN: from_pandas would make it null.
        **{name: pa.array(frame[name].to_numpy(np.float64), from_pandas=False) for name in data.condition_columns},
    }
    _write(pa.table(measured), folder / "measurements.parquet")
    properties = [(p.name, p.unit, p.scale) for p in data.properties]
    columns = zip(("property", "unit", "scale"), zip(*properties) if properties else ((), (), ()))
    _write(
        pa.table({name: pa.array(list(texts), pa.string()) for name, texts in columns}), folder / "properties.parquet"
    )


def _write(table: pa.Table, path: Path) -> None:
    with path.open("wb") as file:
        pq.write_table(table, file)
        file.flush()
        os.fsync(file.fileno())


def read_formula_set(folder: Path) -> FormulaSet:
    """The set in ``folder``; raises RunBroken, in one sentence, where anything in it does not fit."""
    try:
        return _read_formula_set(Path(folder))
    except DataRefused as refused:
        raise RunBroken(f"The data in {Path(folder).name} cannot be read: {refused.faults[0]}") from None
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, IndexError) as error:
        # Only the sentences below are worded for the user; other texts come from pyarrow and numpy.
        reason = str(error) if isinstance(error, _Unfit) else "a file is missing or damaged"
        raise RunBroken(
            f"The data in {Path(folder).name} cannot be read: {reason}. Load it again from its source."
        ) from None


def stored_amounts(folder: Path) -> int:
    """How many amounts the set in ``folder`` says that it holds, before any is read; raises DataRefused."""
    return rows_of(Path(folder) / "amounts.parquet", "amounts.parquet")


class _Unfit(ValueError):
    """A stored set whose parts do not fit together."""


def _demand(fits: object, sentence: str) -> None:
    if not fits:
        raise _Unfit(sentence)


def _read_formula_set(folder: Path) -> FormulaSet:
    formulas = arrow_table(folder / "formulas.parquet", "formulas.parquet")
    about = formulas.schema.metadata or {}
    _demand(about.get(b"matrep_format") == FORMAT, "formulas.parquet is of another format")
    formula_ids = _texts(formulas, "formula_id")
    _demand(
        formula_ids and all(formula_ids) and len(set(formula_ids)) == len(formula_ids),
        "formula ids are empty or repeat",
    )

    described = arrow_table(folder / "materials.parquet", "materials.parquet")
    _demand(len(set(described.column_names)) == len(described.column_names), "materials.parquet has a column twice")
    materials = _texts(described, "material")
    _demand(materials and all(materials), "a material has no code")
    _demand(all(a < b for a, b in zip(materials, materials[1:])), "materials are not sorted or repeat")
    info = pd.DataFrame(
        {name: pd.array(_texts(described, name), dtype="str") for name in described.column_names if name != "material"},
        index=pd.RangeIndex(len(materials)),
    )

    stored = arrow_table(folder / "amounts.parquet", "amounts.parquet", limits.MAX_STREAMED_ROWS)
    rows, columns = (_numbers(stored, name, pa.int32()).astype(np.int64) for name in ("formula", "material"))
    amount = _numbers(stored, "amount", pa.float64())
    _demand(len(amount), "there are no amounts")
    for index, count, name in ((rows, len(formula_ids), "formula"), (columns, len(materials), "material")):
        _demand(index.min() >= 0 and index.max() < count, f"an amount names a {name} that is not there")
        _demand(len(np.unique(index)) == count, f"a {name} has no amount")
    _demand((np.diff(rows * len(materials) + columns) > 0).all(), "amounts are not sorted or repeat")
    high = limits.AMOUNT_SUM + limits.AMOUNT_TOLERANCE
    _demand(
        (np.isfinite(amount) & (amount > 0) & (amount <= high)).all(), f"an amount is not above 0 and at most {high:g}"
    )
    amounts = csr_array((amount, (rows, columns)), shape=(len(formula_ids), len(materials)))
    amounts.sort_indices()

    told = arrow_table(folder / "properties.parquet", "properties.parquet")
    properties = tuple(map(Property, _texts(told, "property"), _texts(told, "unit"), _texts(told, "scale")))
    _demand(all(p.name and p.scale in SCALES for p in properties), "a property has no name or an unknown scale")
    units = {p.name: p.unit for p in properties}
    _demand(len(units) == len(properties), "a property stands twice")
    measurements = _read_measurements(folder, len(formula_ids), units)
    name = about.get(b"matrep_name", b"").decode()
    return FormulaSet(name, tuple(formula_ids), tuple(materials), amounts, measurements, info, properties)


def _read_measurements(folder: Path, formulas: int, units: dict[str, str]) -> pd.DataFrame:
    table = arrow_table(folder / "measurements.parquet", "measurements.parquet")
    names = table.column_names
    _demand(
        tuple(names[:4]) == MEASUREMENT_COLUMNS and len(set(names)) == len(names), "measurements have other columns"
    )
    formula = _numbers(table, "formula", pa.int32()).astype(np.int64)
    value = _numbers(table, "value", pa.float64())
    property_, unit = _texts(table, "property"), _texts(table, "unit")
    _demand(np.isfinite(value).all(), "a measured value is not finite")
    _demand(
        not len(formula) or (formula.min() >= 0 and formula.max() < formulas),
        "a measurement names a formula that is not there",
    )
    _demand(set(zip(property_, unit)) <= set(units.items()), "a measurement has an unknown property or unit")
    conditions = {name: _numbers(table, name, pa.float64()) for name in names[4:]}
    _demand(not any(np.isinf(column).any() for column in conditions.values()), "a condition is not finite")
    _demand(not conditions.keys() & units.keys(), "a condition has the name of a property")
    texts = {"property": pd.array(property_, dtype="str"), "unit": pd.array(unit, dtype="str")}
    frame = pd.DataFrame({"formula": formula, **texts, "value": value, **conditions})
    return frame[names]


def _texts(table: pa.Table, name: str) -> list[str]:
    text, letter = column_as_text(table.column(name))
    _demand(letter == TEXT and not table.column(name).null_count, f"the column {name} is not text throughout")
    texts: list[str] = text.to_pylist()
    return texts


def _numbers(table: pa.Table, name: str, kind: pa.DataType) -> np.ndarray:
    column = table.column(name)
    _demand(column.type == kind and not column.null_count, f"the column {name} is not {kind} throughout")
    numbers: np.ndarray = column.to_numpy()
    return numbers


def content_hash(data: FormulaSet) -> str:
    """sha256 over everything that the set holds but its name; the same before and after storing."""
    digest = hashlib.sha256()

    def texts(values: Sequence[str]) -> None:
        encoded = [str(value).encode("utf-8", "surrogatepass") for value in values]
        digest.update(b"%d:" % len(encoded) + b"".join([b"%d:%b" % (len(content), content) for content in encoded]))

    def numbers(values: np.ndarray, kind: str) -> None:
        plain = np.ascontiguousarray(values, dtype=kind)
        if kind == "<f8":
            plain = np.where(np.isnan(plain), np.nan, plain)  # a NaN has many bit patterns
        digest.update(f"{len(plain)}:".encode() + plain.tobytes())

    texts(data.formula_ids)
    texts(data.materials)
    amounts = data.amounts.tocsr()
    for part, kind in ((amounts.indptr, "<i8"), (amounts.indices, "<i8"), (amounts.data, "<f8")):
        numbers(part, kind)
    texts(list(data.measurements.columns))
    for name in data.measurements.columns:
        if name in ("property", "unit"):
            texts(data.measurements[name].tolist())
        else:
            numbers(data.measurements[name].to_numpy(), "<i8" if name == "formula" else "<f8")
    texts(list(data.material_info.columns))
    for name in data.material_info.columns:
        texts(data.material_info[name].tolist())
    texts([text for p in data.properties for text in (p.name, p.unit, p.scale)])
    return digest.hexdigest()


def write_csv_folder(data: FormulaSet, folder: Path) -> None:
    """The set as formulas.csv, properties.csv and materials.csv; ``read_data`` reads the same numbers back."""
    folder.mkdir(parents=True, exist_ok=True)
    amounts = data.amounts.tocoo()
    cells = zip(amounts.coords[0].tolist(), amounts.coords[1].tolist(), amounts.data.tolist())
    _write_csv(
        folder / "formulas.csv", ["formula_id", "material", "amount"],
        ([data.formula_ids[f], data.materials[m], repr(a)] for f, m, a in cells),
    )  # fmt: skip
    scales = {p.name: p.scale for p in data.properties}
    conditions = list(data.condition_columns)
    frame = data.measurements
    taken_at = (
        [("" if np.isnan(x) else repr(x)) for x in row] for row in frame[conditions].to_numpy(np.float64).tolist()
    )
    measured = zip(frame["formula"].tolist(), frame["property"], frame["value"].tolist(), frame["unit"], taken_at)
    _write_csv(
        folder / "properties.csv", ["formula_id", "property", "value", "unit", "scale", *conditions],
        ([data.formula_ids[f], p, repr(v), u, scales[p], *c] for f, p, v, u, c in measured),
    )  # fmt: skip
    described = zip(data.materials, data.material_info.itertuples(index=False, name=None))
    _write_csv(
        folder / "materials.csv", ["material", *data.material_info.columns], ([m, *texts] for m, texts in described)
    )


def _write_csv(path: Path, header: Sequence[str], rows: object) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)  # type: ignore[arg-type]


# --- data sets of the app -----------------------------------------------------------------------------------


def save_dataset(data: FormulaSet, decisions: Sequence[str], root: Path) -> str:
    """Keep the set below ``root``/datasets, whole or not at all; the id names it and its content.

    A set that is there already is left as it is. Raises MatRepError where the folder cannot be written.
    """
    plain = unicodedata.normalize("NFKD", data.name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    dataset_id = f"{words or 'data'}-{content_hash(data)[:12]}"
    folder = _datasets(root) / dataset_id
    if folder.is_dir():
        return dataset_id
    temporary = folder.with_name(f".{dataset_id}.{secrets.token_hex(4)}")
    try:
        write_formula_set(data, temporary)
        _write(pa.table({"sentence": pa.array(list(decisions), pa.string())}), temporary / "decisions.parquet")
        try:
            os.rename(temporary, folder)
        except OSError:
            if not folder.is_dir():  # otherwise another session saved the same set in the meantime
                raise
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise MatRepError(f"The data set could not be saved: {error.strerror}. Check the artifacts folder.") from error
    return dataset_id


def list_datasets(root: Path) -> list[SavedData]:
    """The saved data sets, newest first; a folder that holds none is passed over."""
    found = []
    folders = _datasets(root).iterdir() if _datasets(root).is_dir() else ()
    for folder in folders:
        if not _ID.fullmatch(folder.name):
            continue
        try:
            about = pq.read_metadata(folder / "formulas.parquet")
            materials = pq.read_metadata(folder / "materials.parquet").num_rows
            name = (about.metadata or {}).get(b"matrep_name", b"").decode()
            saved = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        except (pa.ArrowException, OSError, ValueError):
            continue
        found.append(SavedData(folder.name, name, about.num_rows, materials, saved))
    return sorted(found, key=lambda each: (each.saved, each.id), reverse=True)


def open_dataset(root: Path, dataset_id: str) -> FormulaSet:
    """The data set of that id; raises NotThere for any other text, RunBroken where it is damaged."""
    return read_formula_set(_dataset_folder(root, dataset_id))


def dataset_decisions(root: Path, dataset_id: str) -> tuple[str, ...]:
    """How the data set was read, one sentence a decision."""
    path = _dataset_folder(root, dataset_id) / "decisions.parquet"
    try:
        return tuple(_texts(arrow_table(path, path.name), "sentence"))
    except (DataRefused, KeyError, ValueError):
        raise RunBroken(f"How {dataset_id} was read is no longer known: a file is missing or damaged.") from None


def delete_dataset(root: Path, dataset_id: str) -> None:
    """Remove the data set; runs keep their own copy. Raises NotThere."""
    folder = _dataset_folder(root, dataset_id)
    gone = folder.with_name(f".{dataset_id}.{secrets.token_hex(4)}")
    os.rename(folder, gone)  # at once no longer listed, even if removing its files takes a moment
    shutil.rmtree(gone, ignore_errors=True)


def _datasets(root: Path) -> Path:
    return Path(root) / "datasets"


def _dataset_folder(root: Path, dataset_id: str) -> Path:
    if not _ID.fullmatch(dataset_id) or not (_datasets(root) / dataset_id).is_dir():
        raise NotThere(f"There is no data set {dataset_id[:80]!r}. Choose one from the list on the Data page.")
    return _datasets(root) / dataset_id
