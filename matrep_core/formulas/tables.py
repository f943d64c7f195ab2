"""One file to text cells, strictly: CSV, TSV, XLSX and Parquet. Nothing is guessed that the file does not decide.

A table keeps every cell as the text that stands in the file, so that a code such as 00123, 1E5, NA or TRUE
stays what it is; only ``numbers.py`` turns text into numbers. Workbooks and Parquet files hold typed cells:
there each cell also carries a kind (see ``workbook.py``), so that a date is never taken for a code.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrep_core import limits
from matrep_core.errors import DataRefused, Fault
from matrep_core.formulas import workbook
from matrep_core.formulas.decoding import decode, refuse_control_characters
from matrep_core.formulas.faults import fault, refused
from matrep_core.formulas.parquet import arrow_parts, column_as_text
from matrep_core.formulas.workbook import NUMBER, TEXT

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_CELLS_A_CHUNK = 500_000


@dataclass(frozen=True, eq=False)
class Table:
    """Text cells of one file or sheet; C columns, R rows.

    file:    how messages name it: the file, and the sheet of a workbook that has several
    sheet:   name of the workbook's sheet, "" elsewhere
    headers: C texts, stripped and distinct
    columns: C arrays of R texts, "" where the cell is empty, as they stand in the file
    kinds:   C arrays of R one-byte letters of workbook.py, or None where every cell is text
    rows:    (R,) row numbers as a spreadsheet shows them; the header is row 1
    notes:   how the file was read, in sentences
    further: the rows that follow, of a file that is read in parts; to be asked for once; None where the table is whole
    """

    file: str
    sheet: str
    headers: tuple[str, ...]
    columns: tuple[pa.Array, ...]
    kinds: tuple[np.ndarray | None, ...]
    rows: np.ndarray
    delimiter: str
    notes: tuple[str, ...]
    further: Iterator[Table] | None = None

    def position(self, *names: str) -> int | None:
        """The column with one of these names, capitals, blanks and hyphens aside; None if there is none."""
        plain = [re.sub(r"[\s\-]+", "_", header.casefold()) for header in self.headers]
        return next((plain.index(name) for name in names if name in plain), None)


def distinct_cells(table: Table, columns: Sequence[int], trim: bool = False) -> tuple[np.ndarray, pa.Array, np.ndarray]:
    """The cells of C columns as (C, R) int32 codes into U distinct texts and their (U,) kinds.

    Whatever is done to a cell is then done once, however often the cell occurs.
    """
    chosen = [table.columns[c] for c in columns]
    stacked = pa.concat_arrays(chosen) if chosen else pa.array([], pa.string())
    encoded = pc.dictionary_encode(pc.utf8_trim_whitespace(stacked) if trim else stacked)
    codes, texts = encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary
    kinds = np.full(len(texts), TEXT, "S1")
    if any(table.kinds[c] is not None for c in columns):
        # The same text may be a number in one cell and text in another: both are told apart.
        letters = np.concatenate([table.kinds[c] for c in columns]).view(np.uint8)
        pairs, codes = np.unique(codes.astype(np.int64) * 256 + letters, return_inverse=True)
        texts, kinds = texts.take(pa.array(pairs // 256)), (pairs % 256).astype(np.uint8).view("S1")
    return codes.astype(np.int32).reshape(len(columns), len(table.rows)), texts, kinds


@dataclass
class _Builder:
    """Collects rows into columns of text, a chunk at a time, so that no list of all cells ever exists."""

    file: str
    width: int
    typed: bool = False
    faults: list[Fault] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    blank: int = 0
    _cells: list[Sequence[str]] = field(default_factory=list)
    _kinds: list[bytes] = field(default_factory=list)
    _chunks: list[tuple[list[pa.Array], np.ndarray | None]] = field(default_factory=list)

    def add(self, number: int, cells: Sequence[str], kinds: str = "") -> None:
        if not any(cell and not cell.isspace() for cell in cells):
            self.blank += 1
            return
        if len(cells) != self.width:
            if len(self.faults) < limits.MAX_FAULTS_SHOWN:
                self.faults.append(
                    fault(self.file, number, "", "", f"the row has {len(cells)} cells, the header has {self.width}",
                          "Give every row as many cells as the header; put cells that hold the delimiter in quotes.")
                )  # fmt: skip
            return
        if len(self.rows) >= limits.MAX_ROWS:
            raise refused(
                self.file, f"the table has more than {limits.MAX_ROWS:,} rows", "Split the data set.", row=number
            )
        self.rows.append(number)
        self._cells.append(cells)
        if self.typed:
            self._kinds.append(kinds.encode("ascii"))
        if len(self._cells) * self.width >= _CELLS_A_CHUNK:
            self._flush()

    def add_many(self, first_number: int, rows: Sequence[Sequence[str]]) -> None:
        """Add rows of text that follow each other; the same as ``add`` for each, and fast where nothing is wrong."""
        whole = all(map(self.width.__eq__, map(len, rows))) and all(map(str.strip, map(itemgetter(0), rows)))
        if not whole or len(self.rows) + len(rows) > limits.MAX_ROWS:
            for number, cells in enumerate(rows, start=first_number):
                self.add(number, cells)
            return
        self.rows.extend(range(first_number, first_number + len(rows)))
        self._cells.extend(rows)
        if len(self._cells) * self.width >= _CELLS_A_CHUNK:
            self._flush()

    def _flush(self) -> None:
        if not self._cells:
            return
        kinds = None
        if self.typed:
            kinds = np.frombuffer(b"".join(self._kinds), dtype="S1").reshape(len(self._cells), self.width)
        self._chunks.append(([pa.array(column, pa.string()) for column in zip(*self._cells)], kinds))
        self._cells, self._kinds = [], []

    def columns(self) -> tuple[tuple[pa.Array, ...], tuple[np.ndarray | None, ...]]:
        self._flush()
        if not self._chunks:
            nothing = np.empty(0, "S1") if self.typed else None
            return (pa.array([], pa.string()),) * self.width, (nothing,) * self.width
        texts = tuple(pa.concat_arrays([chunk[0][c] for chunk in self._chunks]) for c in range(self.width))
        if not self.typed:
            return texts, (None,) * self.width
        return texts, tuple(np.concatenate([chunk[1][:, c] for chunk in self._chunks]) for c in range(self.width))


def read_tables(path: Path, shown: str, encoding: str = "auto", delimiter: str = "auto",
                expected: Iterable[str] = (), most_rows: int = 0) -> list[Table]:  # fmt: skip
    """The tables of one file: one, or a workbook's sheets that hold anything.

    ``shown`` is the name in messages; ``expected`` are header names that help to decide the delimiter;
    a Parquet file of more than MAX_ROWS rows, and at most ``most_rows``, comes in parts (``Table.further``).
    Raises DataRefused with the faults of the file's shape: encoding, delimiter, headers, rows, bounds.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise refused(shown, "the file cannot be opened", "Check its name and rights.") from error
    suffix = path.suffix.lower()
    bound = limits.MAX_PARQUET_BYTES if suffix == ".parquet" else limits.MAX_UPLOAD_BYTES
    if size > bound:
        most = f"at most {bound // 2**20:,} are read"
        mend = "Split the data set, or save it as Parquet."
        raise refused(shown, f"the file has {size / 2**20:,.0f} MiB; {most}", mend)
    if suffix == ".xlsx":
        return _read_workbook(path, shown)
    if suffix == ".parquet":
        return [_read_parquet(path, shown, most_rows)]
    with path.open("rb") as file:
        content = file.read(limits.MAX_UPLOAD_BYTES)  # not more, even where the file grows meanwhile
    return [_read_text(content, shown, encoding, delimiter, set(expected))]


# --- text ---------------------------------------------------------------------------------------------------


def _read_text(content: bytes, shown: str, encoding: str, delimiter: str, expected: set[str]) -> Table:
    text, found = decode(content, shown, encoding)
    refuse_control_characters(text, shown)
    if delimiter == "auto":
        return _table_by_its_delimiter(text, shown, found, expected)
    return _parse(text, shown, DELIMITERS.get(delimiter, delimiter), found)


def _table_by_its_delimiter(text: str, shown: str, encoding: str, expected: set[str]) -> Table:
    """The table under the one delimiter that gives every row as many cells as the header."""
    first_line = next((line for line in io.StringIO(text) if line.strip()), "").strip()
    if not first_line:
        raise refused(shown, "the file is empty", "Give a file with a header and rows.")
    marks = [mark for mark in DELIMITERS.values() if mark in first_line]
    if not marks and first_line.casefold() in expected:
        marks = [","]  # one column, such as a list of materials that says nothing of them
    if not marks:
        raise refused(
            shown, "the header has one cell: no comma, semicolon or tab stands in it",
            "The first row must name the columns; set the delimiter if it is another.", row=1, value=first_line,
        )  # fmt: skip
    tables: list[Table] = []
    refusals: list[DataRefused] = []
    for mark in marks:
        try:
            tables.append(_parse(text, shown, mark, encoding))
        except DataRefused as refusal:
            refusals.append(refusal)
    if not tables:
        # The reading with the fewest complaints is the one that was meant.
        raise min(refusals, key=lambda refusal: len(refusal.faults))
    known = [sum(header.casefold() in expected for header in table.headers) for table in tables]
    best = [table for table, count in zip(tables, known) if count == max(known)]
    if len(best) > 1:
        problem = "the file can be read with more than one delimiter"
        raise refused(shown, problem, "Set the delimiter (--delimiter).")
    return best[0]


def _parse(text: str, shown: str, delimiter: str, encoding: str) -> Table:
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    number = 1
    try:
        header = next(records, None)
        if header is None or not any(cell.strip() for cell in header):
            raise refused(shown, "the first row is blank", "Begin the file with the names of the columns.", row=1)
        builder = _Builder(shown, len(header))
        while True:
            rows = []
            number += 1
            rows.extend(islice(records, max(1, _CELLS_A_CHUNK // len(header))))
            if not rows:
                break
            builder.add_many(number, rows)
            number += len(rows) - 1
    except csv.Error as error:
        if "field larger" in str(error):
            raise refused(
                shown, f"a cell has more than {csv.field_size_limit():,} characters", "Shorten it; close every quote.",
                row=number + len(rows),
            ) from error  # fmt: skip
        raise refused(
            shown, f"the quotes are broken ({error})",
            'Close every quote; write a quote inside a quoted cell as "".', row=number + len(rows),
        ) from error  # fmt: skip
    name = {mark: word for word, mark in DELIMITERS.items()}.get(delimiter, repr(delimiter))
    return _finish(builder, shown, "", header, delimiter, f"{encoding}, {name} between cells")


# --- workbooks ----------------------------------------------------------------------------------------------


def _read_workbook(path: Path, shown: str) -> list[Table]:
    faults: list[Fault] = []
    tables: list[Table] = []
    builder: _Builder | None = None
    header: list[str] = []
    name = sheet = left = ""

    def close() -> None:
        if builder is None:
            return
        try:
            tables.append(_finish(builder, name, sheet, header, "", f"a sheet of a workbook{left}"))
        except DataRefused as refusal:
            faults.extend(refusal.faults)

    try:
        for document in workbook.workbook_lines(path):
            if isinstance(document, list):
                number, values, kinds = document
                cells = ["" if value is None else value if isinstance(value, str) else repr(value) for value in values]
                if builder is None:
                    header = _header_of_sheet(name, number, cells, kinds, faults)
                    builder = _Builder(name, len(cells), typed=True)
                else:
                    short = builder.width - len(cells)
                    builder.add(number, cells + [""] * short, kinds + TEXT * short)
            elif "left_aside" in document:
                left = f"; not read: {', '.join(document['left_aside'])}"
            elif "sheet" in document:
                close()
                builder, sheet, name = None, document["sheet"], f"{shown}, sheet {document['sheet']}"
            else:
                for area in document["merged"]:
                    row = int(re.sub(r"\D", "", area.split(":")[0]) or 0)
                    mend = "Unmerge them and write the value into every cell."
                    faults.append(fault(name, row, "", area, "cells are merged", mend))
        close()
    except workbook.WorkbookRefused as refusal:
        raise refused(shown, *refusal.args) from refusal
    if faults:
        raise DataRefused(faults)
    if not tables:
        raise refused(shown, "the workbook is empty", "Give a workbook with a header and rows.")
    return tables


def _header_of_sheet(name: str, number: int, cells: list[str], kinds: str, faults: list[Fault]) -> list[str]:
    """The names of a sheet's columns; a whole number is a name (a material's code), a date is none."""
    if number > 1:
        mend = "Begin the sheet with the names of the columns."
        faults.append(fault(name, 1, "", "", "the first row is blank", mend))
    header = [cell.removesuffix(".0") if kind == NUMBER else cell for cell, kind in zip(cells, kinds)]
    for cell, kind in zip(header, kinds):
        if kind != TEXT and not (kind == NUMBER and cell.isdigit()):
            problem = "a column's name is not text: the program may have changed it into a date or a number"
            faults.append(fault(name, number, "", cell, problem, "Write the name again in a cell formatted as text."))
    return header


# --- Parquet ------------------------------------------------------------------------------------------------


def _read_parquet(path: Path, shown: str, most_rows: int) -> Table:
    parts = arrow_parts(path, shown, most_rows)
    first = next(parts)
    table, second = _typed_table(first, shown, 0), next(parts, None)

    def further(done: int) -> Iterator[Table]:
        for frame in chain([second], parts):
            yield _typed_table(frame, shown, done)
            done += frame.num_rows

    return table if second is None else replace(table, further=further(first.num_rows))


def _typed_table(frame: pa.Table, shown: str, before: int) -> Table:
    columns, kinds, faults = [], [], []
    for header, column in zip(frame.column_names, frame.columns):
        try:
            text, kind = column_as_text(column)
        except (pa.ArrowException, ValueError):
            problem = "the column's type is not text or number"
            faults.append(fault(shown, None, header, str(column.type), problem, "Write it as text or number."))
            continue
        columns.append(text)
        kinds.append(np.full(len(text), kind, "S1"))
    if faults:
        raise DataRefused(faults)
    rows = np.arange(before + 2, before + frame.num_rows + 2)
    return _checked(shown, "", list(frame.column_names), columns, kinds, rows, "", "Parquet", 0)


# --- what all three have in common --------------------------------------------------------------------------


def _finish(builder: _Builder, shown: str, sheet: str, header: Sequence[str], delimiter: str, how: str) -> Table:
    if builder.faults:
        raise DataRefused(builder.faults)
    columns, kinds = builder.columns()
    rows = np.array(builder.rows, np.int64)
    return _checked(shown, sheet, header, columns, kinds, rows, delimiter, how, builder.blank)


def _checked(
    shown: str,
    sheet: str,
    header: Sequence[str],
    columns: Sequence[pa.Array],
    kinds: Sequence[np.ndarray | None],
    rows: np.ndarray,
    delimiter: str,
    how: str,
    blank: int,
) -> Table:
    """The table, once its headers are distinct and its cells within bounds; raises DataRefused."""
    notes = [f"{shown}: {len(rows):,} rows; {how}."]
    if blank:
        notes.append(f"{shown}: blank rows skipped: {blank:,}.")
    if len(header) > limits.MAX_COLUMNS:
        raise refused(shown, f"the table has more than {limits.MAX_COLUMNS:,} columns", "Give a long table.", row=1)
    headers = [unicodedata.normalize("NFC", cell.strip()) for cell in header]
    nameless = [c for c, name in enumerate(headers) if not name]
    faults = []
    for c in nameless:
        if pc.any(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(columns[c])), 0)).as_py():
            mend = "Name the column, or remove it."
            faults.append(fault(shown, 1, "", "", f"column {c + 1} has values but no name", mend))
    if nameless and not faults:
        notes.append(f"{shown}: empty columns without a name left out: {len(nameless)}.")
    named = [c for c in range(len(headers)) if headers[c]]
    first: dict[str, int] = {}
    for c in named:
        if headers[c] in first:
            problem = f"columns {first[headers[c]] + 1} and {c + 1} have the same name"
            faults.append(fault(shown, 1, headers[c], headers[c], problem, "Give every column a name of its own."))
        first.setdefault(headers[c], c)
        longest = pc.max(pc.utf8_length(columns[c])).as_py() or 0
        if longest > limits.MAX_CELL_CHARACTERS:
            row = int(rows[pc.index(pc.utf8_length(columns[c]), longest).as_py()])
            problem = f"the cell has {longest:,} characters; at most {limits.MAX_CELL_CHARACTERS:,} are read"
            mend = "Shorten it; a quote that is never closed can cause this."
            faults.append(fault(shown, row, headers[c], "", problem, mend))
    if faults:
        raise DataRefused(faults)
    return Table(
        file=shown,
        sheet=sheet,
        headers=tuple(headers[c] for c in named),
        columns=tuple(columns[c] for c in named),
        kinds=tuple(kinds[c] for c in named),
        rows=rows,
        delimiter=delimiter,
        notes=tuple(notes),
    )
