"""Tables to numbered rows: each cell checked by itself, none yet against the others.

What the rows say together (sums, duplicates, units) is the matter of ``assembly.py``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from matrep_core import limits
from matrep_core.errors import Fault
from matrep_core.formulas.codes import Codes, read_codes
from matrep_core.formulas.faults import fault
from matrep_core.formulas.numbers import NumberCells, number_like, read_numbers
from matrep_core.formulas.schema import MEASUREMENT_COLUMNS
from matrep_core.formulas.tables import Table, distinct_cells
from matrep_core.formulas.workbook import TEXT

FORMULA_NAMES = ("formula_id", "formula")
WIDE_FORMULA_NAMES = ("formula_id", "formula", "id", "name")
RESERVED = {*MEASUREMENT_COLUMNS, "formula_id", "scale"}
_UNIT = re.compile(r"(?P<name>.*\S)\s*(?:\[(?P<square>[^\[\]]*)\]|\((?P<round>[^()]*)\))")
_EPSILON = 1e-9  # weight-%, what adding decimal fractions in binary may be off by


@dataclass(frozen=True)
class ReadingOptions:
    """What the user decides about reading, where the files do not; the defaults decide nothing."""

    encoding: str = "auto"  # auto or one of tables.ENCODINGS
    delimiter: str = "auto"  # auto, comma, semicolon, tab
    decimal: str = "auto"  # auto, point, comma
    property_columns: tuple[str, ...] = ()  # of wide tables
    condition_columns: tuple[str, ...] = ()  # of wide tables, and of properties where they must be numbers
    formula_id_column: str = ""  # of wide tables; "" finds it by its name, or takes the first column
    sum_duplicates: bool = False
    rescale: bool = False
    complete_with: str = ""  # a material


@dataclass(frozen=True, eq=False)
class Entries:
    """E amounts above zero of one table. ``part`` numbers what should hold a formula once: a file, or a wide row.

    formula, material (E,) int32 numbers of Gathered; amount (E,) float64 weight-%; part (E,) int32; row (E,) int32
    as a spreadsheet shows it
    """

    file: str
    formula: np.ndarray
    material: np.ndarray
    amount: np.ndarray
    part: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, file: str, formula: np.ndarray, material: np.ndarray, amount: np.ndarray, part: np.ndarray, row: np.ndarray) -> Entries:
        """With numbers as short as they may be: there can be many millions."""

        def short(numbers: np.ndarray) -> np.ndarray:
            return numbers.astype(np.int32)

        return cls(file, short(formula), short(material), amount, short(part), short(row))


@dataclass(frozen=True, eq=False)
class Measured:
    """Q measurements of one table; units and scales are texts, conditions a column each."""

    file: str
    formula: np.ndarray
    property: np.ndarray
    value: np.ndarray
    unit: np.ndarray
    scale: np.ndarray
    conditions: dict[str, np.ndarray]
    part: np.ndarray
    row: np.ndarray


@dataclass(frozen=True, eq=False)
class Described:
    """What one table tells of materials: their numbers, rows and text columns."""

    file: str
    material: np.ndarray
    row: np.ndarray
    columns: dict[str, list[str]]


@dataclass
class Gathered:
    """Everything read so far, from all tables, and every fault found on the way."""

    options: ReadingOptions
    formulas: Codes = field(default_factory=lambda: Codes("formula id"))
    materials: Codes = field(default_factory=lambda: Codes("material"))
    properties: Codes = field(default_factory=lambda: Codes("property"))
    entries: list[Entries] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    described: list[Described] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)  # formulas with a cell at fault: their sums say nothing
    wide_files: set[str] = field(default_factory=set)
    zeros: int = 0
    parts: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def new_parts(self, count: int) -> int:
        first = self.parts
        self.parts += count
        return first


def sums_within(sums: np.ndarray, options: ReadingOptions) -> np.ndarray:
    """Which sums of amounts are accepted: 100 ± 0.5, or anything up to 100.5 where a filler completes them."""
    high = sums <= limits.AMOUNT_SUM + limits.AMOUNT_TOLERANCE + _EPSILON
    low = sums >= limits.AMOUNT_SUM - limits.AMOUNT_TOLERANCE - _EPSILON
    accepted: np.ndarray = high & (low | bool(options.complete_with))
    return accepted


# --- formulas, a row an amount ------------------------------------------------------------------------------


def gather_formulas(table: Table, gathered: Gathered) -> None:
    """Add a long table: formula_id, material, amount; also the rows that follow in a file that is read in parts."""
    columns = _required(
        table, gathered, {"formula_id": FORMULA_NAMES, "material": ("material",), "amount": ("amount",)}
    )
    if columns is None:
        return
    if table.further is not None and table.kinds[columns[2]] is not None and (table.kinds[columns[2]] == TEXT.encode()).any():
        problem = f"the amounts are texts; of more than {limits.MAX_ROWS:,} rows they are read only as numbers"
        gathered.faults.append(fault(table.file, None, table.headers[columns[2]], "", problem, "Store the column as numbers."))
        return
    extra = [h for c, h in enumerate(table.headers) if c not in columns]
    part = gathered.new_parts(1)
    cells = _gather_amounts(table, columns, gathered, part)
    _note_table(table, cells, gathered, f"columns not read: {', '.join(extra)}" if extra else "")
    for further in table.further or ():
        _gather_amounts(further, columns, gathered, part)
        gathered.notes.append(f"{table.file}: {len(further.rows):,} further rows.")


def _gather_amounts(table: Table, columns: list[int], gathered: Gathered, part: int) -> NumberCells:
    at_formula, at_material, at_amount = columns
    formula = read_codes(table, at_formula, gathered.formulas, gathered.faults, gathered.notes)
    material = read_codes(table, at_material, gathered.materials, gathered.faults, gathered.notes)

    def sums_fit(cells: NumberCells) -> bool:
        amounts, known = cells.values[cells.codes[0]], formula >= 0
        sums = np.bincount(formula[known], weights=amounts[known])[np.unique(formula[known])]
        return bool(
            len(sums) and np.isfinite(sums).all() and (amounts >= 0).all() and sums_within(sums, gathered.options).all()
        )

    cells = read_numbers(table, [at_amount], gathered.options.decimal, sums_fit, gathered.faults)
    amount = _amounts_at_no_fault(table, [at_amount], cells, gathered, empty_is_none=False)[0]
    gathered.zeros += int((amount == 0).sum())
    good = (formula >= 0) & (material >= 0) & np.isfinite(amount)
    gathered.broken.update(np.unique(formula[~good]).tolist())
    kept = good & (amount > 0)
    parts = np.full(int(kept.sum()), part)
    gathered.entries.append(Entries.of(table.file, formula[kept], material[kept], amount[kept], parts, table.rows[kept]))
    return cells


def _amounts_at_no_fault(
    table: Table, columns: list[int], cells: NumberCells, gathered: Gathered, empty_is_none: bool
) -> np.ndarray:
    """(C, R) amounts, NaN where a cell is empty or at fault; adds the faults of negative and of missing amounts."""
    codes = cells.codes[: len(columns)]
    wrong = cells.values < 0
    if not empty_is_none:
        wrong |= cells.empty
    for r, c in np.argwhere(wrong[codes].T).tolist():
        text = cells.texts[int(codes[c, r])].as_py()
        problem, mend = (
            ("the amount is negative", "Amounts are weight-% and not below 0.") if text
            else ("the amount is empty", "Give the amount in weight-%, or remove the row.")
        )  # fmt: skip
        gathered.faults.append(fault(table.file, int(table.rows[r]), table.headers[columns[c]], text, problem, mend))
    amounts: np.ndarray = np.where(wrong, np.nan, cells.values)[codes]
    return amounts


# --- formulas, a row a formula ------------------------------------------------------------------------------


def gather_wide(table: Table, gathered: Gathered) -> None:
    """Add a wide table: a row a formula, a column a material; properties and conditions are named in the options."""
    options = gathered.options
    at_formula = _wide_formula_column(table, gathered)
    if at_formula is None:
        return
    property_columns = _named_columns(table, options.property_columns, at_formula)
    condition_columns = _named_columns(table, options.condition_columns, at_formula)
    if not _names_are_free(table, condition_columns, gathered):
        return
    chosen = {at_formula, *property_columns, *condition_columns}
    others = [c for c in range(len(table.headers)) if c not in chosen]
    likeness = number_like(table, others)
    texts = [c for c, (filled, meant) in zip(others, likeness) if filled and not meant]
    materials = [c for c in others if c not in set(texts)]
    if not materials:
        gathered.faults.append(
            _headers_fault(table, "no column holds amounts of a material", "Give a column for every material.")
        )
        return

    formula = read_codes(table, at_formula, gathered.formulas, gathered.faults, gathered.notes)
    for c in materials:
        gathered.materials.add(table.headers[c], (table.file, 1, table.headers[c]))
    material = np.array([gathered.materials.index[table.headers[c]] for c in materials])

    def sums_fit(cells: NumberCells) -> bool:
        amounts = np.nan_to_num(np.where(cells.empty, 0.0, cells.values), nan=-1.0)[cells.codes[: len(materials)]]
        return bool((amounts >= 0).all() and sums_within(amounts.sum(axis=0), options).all())

    columns = materials + property_columns + condition_columns
    cells = read_numbers(table, columns, options.decimal, sums_fit, gathered.faults)
    _note_table(
        table, cells, gathered,
        f"a row a formula ({table.headers[at_formula]}), {len(materials):,} columns of materials, "
        "an empty amount is none"
        + (f"; columns of text not read: {', '.join(table.headers[c] for c in texts)}" if texts else ""),
    )  # fmt: skip
    amounts = _amounts_at_no_fault(table, materials, cells, gathered, empty_is_none=True)
    at_fault = (np.isnan(amounts) & ~cells.empty[cells.codes[: len(materials)]]).any(axis=0)
    gathered.broken.update(np.unique(formula[at_fault & (formula >= 0)]).tolist())
    gathered.zeros += int((amounts == 0).sum())
    rows, which = np.nonzero((amounts > 0).T & (formula >= 0)[:, None])
    first = gathered.new_parts(len(table.rows))
    gathered.wide_files.add(table.file)
    gathered.entries.append(
        Entries.of(table.file, formula[rows], material[which], amounts[which, rows], first + rows, table.rows[rows])
    )
    _gather_wide_measurements(
        table, gathered, cells, formula, property_columns, condition_columns, len(materials), first
    )


def _gather_wide_measurements(
    table: Table,
    gathered: Gathered,
    cells: NumberCells,
    formula: np.ndarray,
    property_columns: list[int],
    condition_columns: list[int],
    materials: int,
    first_part: int,
) -> None:
    numbers = cells.values[cells.codes[materials:]]  # (P + K, R)
    names, units = [], []
    for c in property_columns:
        name, unit = split_unit(table.headers[c])
        gathered.properties.add(name, (table.file, 1, table.headers[c]))
        names.append(gathered.properties.index[name])
        units.append(unit)
        if unit:
            gathered.notes.append(f"{table.file}: column {table.headers[c]} is the property {name} in {unit}.")
    rows, which = np.nonzero(np.isfinite(numbers[: len(names)]).T & (formula >= 0)[:, None])
    conditions = {table.headers[c]: numbers[len(names) + k][rows] for k, c in enumerate(condition_columns)}
    gathered.measured.append(
        Measured(
            table.file, formula[rows], np.array(names, np.int64)[which], numbers[which, rows],
            np.array(units, object)[which],
            np.full(len(rows), "", object), conditions, first_part + rows, table.rows[rows],
        )
    )  # fmt: skip


def split_unit(header: str) -> tuple[str, str]:
    """("viscosity", "mPa·s") of "viscosity [mPa·s]" or "viscosity (mPa·s)"; the unit is "" where none is given."""
    found = _UNIT.fullmatch(header)
    if found is None:
        return header, ""
    return found["name"], (found["square"] if found["square"] is not None else found["round"]).strip()


def _wide_formula_column(table: Table, gathered: Gathered) -> int | None:
    name = unicodedata.normalize("NFC", gathered.options.formula_id_column.strip())
    if not name:
        found = table.position(*WIDE_FORMULA_NAMES)
        return 0 if found is None else found
    if name in table.headers:
        return table.headers.index(name)
    gathered.faults.append(
        _headers_fault(table, f"there is no column {name!r} for the formula ids", "Name a column that is there.")
    )
    return None


def _named_columns(table: Table, names: tuple[str, ...], at_formula: int) -> list[int]:
    """Columns whose whole header, or whose header without its unit, was named."""
    wanted = {unicodedata.normalize("NFC", name.strip()) for name in names}
    return [
        c for c, header in enumerate(table.headers)
        if c != at_formula and (header in wanted or split_unit(header)[0] in wanted)
    ]  # fmt: skip


# --- properties and materials -------------------------------------------------------------------------------


def gather_properties(table: Table, gathered: Gathered) -> None:
    """Add a long table of measurements: formula_id, property, value, unit, then conditions. Formulas come first."""
    names = {"formula_id": FORMULA_NAMES, "property": ("property",), "value": ("value",), "unit": ("unit",)}
    columns = _required(table, gathered, names)
    if columns is None:
        return
    at_formula, at_property, at_value, at_unit = columns
    formula = read_codes(table, at_formula, gathered.formulas, gathered.faults, gathered.notes, add=False)
    for r in np.flatnonzero(formula == -2).tolist():
        code = table.columns[at_formula][r].as_py()
        gathered.faults.append(
            fault(table.file, int(table.rows[r]), table.headers[at_formula], code, "no formula has this id",
                  "Give the formula's amounts, or remove the measurement.")
        )  # fmt: skip
    property_ = read_codes(table, at_property, gathered.properties, gathered.faults, gathered.notes)
    at_scale = table.position("scale")
    extra = [c for c in range(len(table.headers)) if c not in columns and c != at_scale]
    conditions = _condition_columns(table, extra, gathered)
    cells = read_numbers(table, [at_value, *conditions], gathered.options.decimal, None, gathered.faults)
    value = cells.values[cells.codes[0]]
    for r in np.flatnonzero(cells.empty[cells.codes[0]]).tolist():
        gathered.faults.append(
            fault(table.file, int(table.rows[r]), table.headers[at_value], "", "the value is empty",
                  "Give the number, or remove the row: what was not measured has no row.")
        )  # fmt: skip
    left = [table.headers[c] for c in extra if c not in conditions]
    said = [f"conditions: {', '.join(table.headers[c] for c in conditions)}"] if conditions else []
    said += [f"columns without numbers not read: {', '.join(left)}"] if left else []
    _note_table(table, cells, gathered, "; ".join(said))
    good = (formula >= 0) & (property_ >= 0) & np.isfinite(value)
    unit, scale = _texts(table, at_unit), _texts(table, at_scale)
    part = np.full(int(good.sum()), gathered.new_parts(1))
    taken_at = {table.headers[c]: cells.values[cells.codes[1 + k]][good] for k, c in enumerate(conditions)}
    gathered.measured.append(
        Measured(
            table.file, formula[good], property_[good], value[good], unit[good], scale[good], taken_at, part,
            table.rows[good],
        )
    )  # fmt: skip


def _condition_columns(table: Table, extra: list[int], gathered: Gathered) -> list[int]:
    """The further columns that hold numbers, mostly; a column of words, such as a note, is none."""
    wanted = {unicodedata.normalize("NFC", name.strip()) for name in gathered.options.condition_columns}
    conditions = []
    _names_are_free(table, extra, gathered)
    for c, (filled, meant) in zip(extra, number_like(table, extra).tolist()):
        if table.headers[c] in wanted or (filled and meant * 2 >= filled):
            conditions.append(c)
    return conditions


def _names_are_free(table: Table, columns: list[int], gathered: Gathered) -> bool:
    """Whether conditions may be called as these columns are; a fault for each that may not."""
    taken = [table.headers[c] for c in columns if table.headers[c].casefold() in RESERVED]
    problem = "the column has a name that MatRep keeps for itself"
    gathered.faults.extend(fault(table.file, 1, name, "", problem, "Give it another name.") for name in taken)
    return not taken


def _texts(table: Table, column: int | None) -> np.ndarray:
    """(R,) texts without blanks around them, as objects; "" everywhere where there is no such column."""
    if column is None:
        return np.full(len(table.rows), "", object)
    codes, texts, _ = distinct_cells(table, [column], trim=True)
    distinct = np.array([unicodedata.normalize("NFC", text) for text in texts.to_pylist()], object)
    result: np.ndarray = distinct[codes[0]]
    return result


def gather_materials(table: Table, gathered: Gathered) -> None:
    """Add a table of materials: material, then any text columns."""
    columns = _required(table, gathered, {"material": ("material",)})
    if columns is None:
        return
    material = read_codes(table, columns[0], gathered.materials, gathered.faults, gathered.notes)
    seen: dict[int, int] = {}
    for r, m in enumerate(material.tolist()):
        if m >= 0 and m in seen:
            gathered.faults.append(
                fault(table.file, int(table.rows[r]), table.headers[columns[0]], table.columns[columns[0]][r].as_py(),
                      f"the material stands in row {seen[m]} already", "Give every material one row.")
            )  # fmt: skip
        seen.setdefault(m, int(table.rows[r]))
    texts: dict[str, list[str]] = {}
    for c, header in enumerate(table.headers):
        if c == columns[0]:
            continue
        name = header.casefold()
        if name in ("inci name", "inci_name"):
            name = "inci"
        if name in texts:
            gathered.faults.append(
                fault(table.file, 1, header, header, "two columns have this name", "Give each a name of its own.")
            )
        texts[name] = pc.utf8_trim_whitespace(table.columns[c]).to_pylist()
    gathered.notes.extend(table.notes)
    gathered.described.append(Described(table.file, material, table.rows, texts))


# --- what all have in common --------------------------------------------------------------------------------


def _headers_fault(table: Table, problem: str, mend: str) -> Fault:
    return fault(table.file, 1, "", ", ".join(table.headers), problem, mend)


def _required(table: Table, gathered: Gathered, names: dict[str, tuple[str, ...]]) -> list[int] | None:
    found = {name: table.position(*also) for name, also in names.items()}
    missing = [name for name, column in found.items() if column is None]
    if missing:
        problem = f"these columns were found, {' and '.join(missing)} missing"
        gathered.faults.append(_headers_fault(table, problem, f"The header must name {', '.join(names)}."))
        return None
    plain = [re.sub(r"[\s\-]+", "_", header.casefold()) for header in table.headers]
    for name, also in names.items():
        several = [header for header, text in zip(table.headers, plain) if text in also]
        if len(several) > 1:
            problem = f"{' and '.join(several)} could both be {name}"
            gathered.faults.append(_headers_fault(table, problem, "Keep one of them, or rename it."))
            return None
    return [column for column in found.values() if column is not None]


def _note_table(table: Table, cells: NumberCells, gathered: Gathered, more: str) -> None:
    first, *others = table.notes
    sentence = first.removesuffix(".") + f", {cells.note}" * bool(cells.note) + f"; {more}" * bool(more) + "."
    gathered.notes.extend([sentence, *others])
