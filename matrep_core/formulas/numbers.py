"""Numbers from text: one decimal mark a file, decided by its own cells, and no cell read in two ways.

"1.5" can only mean a decimal point and "1,5" only a decimal comma, but "1.234" may be a little more than one
or more than a thousand. A file is read only where its cells leave one meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrep_core.errors import Fault
from matrep_core.formulas.faults import fault
from matrep_core.formulas.tables import DELIMITERS, Table, distinct_cells
from matrep_core.formulas.workbook import BOOLEAN, DATE, ERROR, NO_VALUE, NUMBER, PERCENT, SHOWN_OTHERWISE, TEXT

_PLAIN = r"^[+-]?(?:[0-9]+{0}?[0-9]*|{0}[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_POINT, _COMMA = _PLAIN.format(r"\."), _PLAIN.format(",")
_OPEN = r"^[+-]?[1-9][0-9]{{0,2}}{0}[0-9]{{3}}$"  # a decimal mark, or thousands: the cell alone does not say
# What was meant as a number: digits, perhaps after a sign or "<", perhaps before a short unit.
_MEANT = r"^[<>≤≥~±=]*\s*[+\-−]?[0-9.,' \x{a0}]*[0-9](?:[eE][+-]?[0-9]+)?\s*(?:[^0-9]{0,15})$"
_DAY = r"^[0-9]{1,4}[.\-/][0-9]{1,2}[.\-/][0-9]{1,4}$"

_KIND_PROBLEMS = {
    PERCENT: (
        "the cell is shown as a percentage, so what it holds is a hundredth of what is shown",
        "Format the cell as a number.",
    ),
    DATE: ("the cell holds a date", "Write the number again in a cell formatted as a number."),
    BOOLEAN: ("the cell holds true or false", "Give a number."),
    ERROR: ("the cell holds an error of the spreadsheet", "Mend the formula in the cell."),
    NO_VALUE: (
        "the cell holds a formula whose result was never stored",
        "Open the workbook in a spreadsheet program and save it.",
    ),
}


@dataclass(frozen=True, eq=False)
class NumberCells:
    """The number cells of one file: C columns × R rows, as codes into U distinct cells.

    codes:  (C, R) int32 rows of the arrays below
    values: (U,) float64, NaN where the cell is empty or at fault
    texts:  (U,) the cells as they stand, blanks around them removed
    kinds:  (U,) one-byte letters of workbook.py
    note:   how the decimal mark was decided
    """

    codes: np.ndarray
    values: np.ndarray
    texts: pa.Array
    kinds: np.ndarray
    note: str

    @property
    def empty(self) -> np.ndarray:
        """(U,) whether the distinct cell is empty; a formula without a stored result is not."""
        return (pc.utf8_length(self.texts).to_numpy() == 0) & (self.kinds != NO_VALUE.encode())


def number_like(table: Table, columns: Sequence[int]) -> np.ndarray:
    """(C, 2) int64: how many cells of each column are filled, and how many of those were meant as numbers."""
    codes, texts, kinds = distinct_cells(table, columns, trim=True)
    filled = (pc.utf8_length(texts).to_numpy() > 0) | (kinds == NO_VALUE.encode())
    numbers = _matches(texts, _POINT) | _matches(texts, _COMMA) | (_matches(texts, _MEANT) & ~_matches(texts, _DAY))
    meant = filled & (kinds != DATE.encode()) & (numbers | (kinds == NO_VALUE.encode()) | (kinds == PERCENT.encode()))
    return np.column_stack([filled[codes].sum(axis=1), meant[codes].sum(axis=1)])


def read_numbers(table: Table, columns: Sequence[int], decimal: str,
                 sums_fit: Callable[[NumberCells], bool] | None, faults: list[Fault]) -> NumberCells:  # fmt: skip
    """Read the number columns of one table; adds a fault for every cell that is not one finite number.

    ``decimal`` is auto, point or comma. ``sums_fit`` says whether amounts read in one way sum as they should,
    which decides a file in which every cell could be read in two ways.
    """
    codes, texts, kinds = distinct_cells(table, columns, trim=True)
    cells = NumberCells(codes, np.full(len(texts), np.nan), texts, kinds, "")
    typed = (cells.kinds == NUMBER.encode()) | (cells.kinds == SHOWN_OTHERWISE.encode())
    text = cells.kinds == TEXT.encode()
    point, comma = _matches(cells.texts, _POINT), _matches(cells.texts, _COMMA)
    open_point, open_comma = _matches(cells.texts, _OPEN.format(r"\.")), _matches(cells.texts, _OPEN.format(","))
    only_point, only_comma = text & point & ~comma, text & comma & ~point
    undecided = np.zeros(len(text), bool)

    if decimal != "auto":
        mark, note = decimal, f"decimal {decimal}, as chosen"
    else:
        surely_point, surely_comma = only_point & ~open_point, only_comma & ~open_comma
        counts = np.bincount(cells.codes.ravel(), minlength=len(text))
        points, commas = counts[surely_point].sum(), counts[surely_comma].sum()
        if points or commas:
            mark = "point" if points >= commas else "comma"
            note = f"decimal {mark}"
        elif not (only_point | only_comma).any():
            mark, note = "point", "numbers without decimals" if not typed.any() else "numbers as the file stores them"
        elif only_point.any() and only_comma.any():
            mark, note, undecided = "point", "", only_point | only_comma
        elif only_point.any() and table.delimiter == DELIMITERS["comma"]:
            mark, note = "point", "decimal point, because the cells are separated by commas"
        else:
            mark = "point" if only_point.any() else "comma"
            note = f"decimal {mark}, because the amounts then sum to 100"
            if sums_fit is None or not sums_fit(_with_values(cells, mark, typed, point, comma, note)):
                undecided = only_point | only_comma

    result = _with_values(cells, mark, typed, point, comma, note)
    result.values[undecided] = np.nan
    _add_faults(table, columns, result, mark, undecided, faults)
    return result


def _matches(texts: pa.Array, pattern: str) -> np.ndarray:
    return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False).astype(bool)


def _with_values(
    cells: NumberCells, mark: str, typed: np.ndarray, point: np.ndarray, comma: np.ndarray, note: str
) -> NumberCells:
    text = cells.kinds == TEXT.encode()
    good = (typed & point) | (text & (point if mark == "point" else comma))
    texts = cells.texts.filter(pa.array(good))
    if mark == "comma":
        texts = pc.replace_substring(texts, ",", ".")
    values = np.full(len(good), np.nan)
    values[good] = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    values[~np.isfinite(values)] = np.nan
    return NumberCells(cells.codes, values, cells.texts, cells.kinds, note)


def _add_faults(
    table: Table, columns: Sequence[int], cells: NumberCells, mark: str, undecided: np.ndarray, faults: list[Fault]
) -> None:
    wrong = (np.isnan(cells.values) & ~cells.empty) | undecided
    if not wrong.any():
        return
    explained = {
        u: _explain(cells.texts[u].as_py(), cells.kinds[u].decode(), mark, bool(undecided[u]))
        for u in np.flatnonzero(wrong).tolist()
    }
    places = np.argwhere(wrong[cells.codes].T)  # row by row, as one reads
    for r, c in places.tolist():
        u = int(cells.codes[c, r])
        problem, mend = explained[u]
        faults.append(
            fault(table.file, int(table.rows[r]), table.headers[columns[c]], cells.texts[u].as_py(), problem, mend)
        )


def _explain(text: str, kind: str, mark: str, undecided: bool) -> tuple[str, str]:
    """What is wrong with a cell that is not one finite number, and how to mend it."""
    if kind in _KIND_PROBLEMS:
        return _KIND_PROBLEMS[kind]
    other = "comma" if mark == "point" else "point"
    if undecided:
        return (
            f"{text} can be read with a decimal point or comma, or as thousands, and nothing in the file decides",
            "Name the decimal mark (--decimal point or comma); write thousands without a mark.",
        )
    if re.fullmatch(r"[+-]?[0-9]+[.,][0-9]*", text):
        problem = f"the number has a {other}, the file's decimal mark is a {mark}"
        return problem, "Use one decimal mark, and none for thousands."
    if re.fullmatch(r"[+-]?[0-9]{1,3}([.,'\s\u00a0\u202f][0-9]{3})+([.,][0-9]*)?", text):
        return "the number has a mark or blank for thousands", "Write thousands without a mark."
    beyond = r"[+-]?(?:nan|inf|infinity|[0-9.,]+e[+-]?[0-9]+)"
    if kind != TEXT or re.fullmatch(beyond, text.casefold()):
        return "the number is not finite", "Give a finite number, or leave the row out."
    if text.endswith("%"):
        return "a percent sign stands in the number cell", "Write the number alone."
    if re.match(r"[<>≤≥~±]", text):
        return "a limit is not a number", "Decide on a number, or leave the measurement out."
    if re.match(r"[+-]?[0-9]", text):
        mend = "Write the number alone; a unit has its own column or stands in the header."
        return "the cell holds more than a number", mend
    return "this is not a number", "Give a number, or leave the cell empty where a value is allowed to be missing."
