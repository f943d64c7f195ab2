"""Codes and names from text: they stay as they stand, and two that look the same are never let through in silence."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

import numpy as np

from matrep_core.errors import Fault
from matrep_core.formulas.faults import fault
from matrep_core.formulas.tables import Table, distinct_cells
from matrep_core.formulas.workbook import BOOLEAN, DATE, ERROR, NO_VALUE, NUMBER, TEXT

_NOT_A_CODE = {
    DATE: (
        "the cell holds a date, where a code may once have stood", "Write the code again in a cell formatted as text."
    ),
    BOOLEAN: (
        "the cell holds true or false, where a code may once have stood",
        "Write the code again in a cell formatted as text.",
    ),
    ERROR: ("the cell holds an error of the spreadsheet", "Mend the formula in the cell."),
    NO_VALUE: (
        "the cell holds a formula whose result was never stored",
        "Open the workbook in a spreadsheet program and save it.",
    ),
}
_NUMBER_AS_CODE = (
    "the cell holds a number that is not shown as a plain whole number, so its code is not certain",
    "Write the code again in a cell formatted as text.",
)
# Rows under a table that a spreadsheet adds up; as a formula they would be trained on.
_SUMMARY = {
    "total", "sum", "subtotal", "grand total", "mean", "average", "avg", "median", "std", "stdev", "min", "max",
    "count", "합계", "평균", "총계", "계",
}  # fmt: skip


@dataclass
class Codes:
    """All codes of one sort (formula ids, materials, property names), numbered in the order in which they came."""

    sort: str  # as messages call it: "formula id", "material", "property"
    index: dict[str, int] = field(default_factory=dict)
    first_seen: list[tuple[str, int, str]] = field(default_factory=list)  # file, row, column
    _codes: list[str] = field(default_factory=list, repr=False)

    def add(self, code: str, place: tuple[str, int, str]) -> None:
        if code not in self.index:
            self.index[code] = len(self.index)
            self.first_seen.append(place)

    def first(self, number: int) -> str:
        """The code with this number."""
        if len(self._codes) != len(self.index):
            self._codes = list(self.index)
        return self._codes[number]

    def look_alikes(self) -> list[Fault]:
        """Faults for codes that differ only in blanks or in characters that nobody sees."""
        seen: dict[str, str] = {}
        faults = []
        for code, place in zip(self.index, self.first_seen):
            visible = "".join(c for c in code if unicodedata.category(c) != "Cf")
            key = re.sub(r"\s+", " ", visible)
            if key in seen:
                faults.append(
                    fault(*place, ascii(code),
                          f"this {self.sort} looks the same as {ascii(seen[key])} but is another text",
                          "Write both with the same blanks, and without invisible characters.")
                )  # fmt: skip
            seen.setdefault(key, code)
        return faults

    def near_twins(self) -> list[str]:
        """Groups of codes that differ only in capitals or leading zeros; they are read as different."""
        groups: dict[str, list[str]] = {}
        for code in self.index:
            groups.setdefault(code.casefold().lstrip("0"), []).append(code)
        return [" / ".join(group) for group in groups.values() if len(group) > 1]


def read_codes(
    table: Table, column: int, codes: Codes, faults: list[Fault], notes: list[str], *, add: bool = True
) -> np.ndarray:
    """The column as numbers of ``codes``, (R,) int64; -1 where the cell is at fault, -2 where the code is unknown.

    Without ``add`` the codes stay as they are, and a code that they lack is unknown. Blanks around a code are
    removed and its characters composed (NFC), which ``notes`` then says; where that would make one code of
    two in the same column, both are refused.
    """
    header = table.headers[column]
    positions, texts, letters = distinct_cells(table, [column])
    positions = positions[0]
    raw, kinds = texts.to_pylist(), [letter.decode() for letter in letters]
    clean = [unicodedata.normalize("NFC", text.strip()) for text in raw]
    for u, kind in enumerate(kinds):
        if kind == NUMBER:
            clean[u] = raw[u].removesuffix(".0")  # 12.0 is how a workbook may store 12

    refused: dict[int, tuple[str, str]] = {}
    written: dict[str, int] = {}
    for u, (code, kind) in enumerate(zip(clean, kinds)):
        if kind in _NOT_A_CODE:
            refused[u] = _NOT_A_CODE[kind]
        elif not code:
            refused[u] = (f"the {codes.sort} is empty", "Give every row its own; remove rows that hold no data.")
        elif kind != TEXT and not (kind == NUMBER and re.fullmatch(r"-?[0-9]+", code)):
            refused[u] = _NUMBER_AS_CODE
        elif any(unicodedata.category(character) == "Cc" or character == "\ufffd" for character in code):
            refused[u] = ("a line break, tab, control character or lost character stands inside the code", "Remove it.")
        elif codes.sort == "formula id" and code.casefold() in _SUMMARY:
            refused[u] = (
                "this looks like a summary row and not like a formula",
                "Remove the row, or give the formula another id.",
            )
        elif kind == TEXT and code in written:
            refused[u] = refused[written[code]] = (
                f"blanks around it, or the way its accents are written, alone tell this {codes.sort} from another",
                "Write it the same way in every row.",
            )
        if kind == TEXT:
            written.setdefault(code, u)
    changed = sum(
        text != code for u, (text, code) in enumerate(zip(raw, clean)) if kinds[u] == TEXT and u not in refused
    )
    if changed:
        notes.append(
            f"{table.file}: distinct cells of {header} that lost the blanks around them "
            f"or had their accents composed (NFC): {changed:,}."
        )
    if NUMBER in kinds:
        notes.append(f"{table.file}: whole numbers in {header} were read as codes, as they stand.")

    first_row = np.zeros(len(raw), np.int64)
    first_row[positions[::-1]] = table.rows[::-1]
    number_of = np.full(len(raw), -1, np.int64)
    for u, code in enumerate(clean):
        if u not in refused:
            if add:
                codes.add(code, (table.file, int(first_row[u]), header))
            number_of[u] = codes.index.get(code, -2)
    result: np.ndarray = number_of[positions]
    for r in np.flatnonzero(result == -1).tolist():
        u = int(positions[r])
        faults.append(fault(table.file, int(table.rows[r]), header, raw[u], *refused[u]))
    return result
