"""One file to text cells, strictly: CSV, TSV, XLSX and Parquet. Nothing is guessed that the file does not decide.

A table keeps every cell as the text that stands in the file, so that a code such as 00123, 1E5, NA or TRUE
stays what it is; only ``numbers.py`` turns text into numbers. Workbooks and Parquet files hold typed cells:
there each cell also carries a kind (see ``workbook.py``), so that a date is never taken for a code.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matrep_core import limits
from matrep_core.errors import DataRefused, Fault
from matrep_core.formulas import workbook
from matrep_core.formulas.workbook import BOOLEAN, DATE, NUMBER, SHOWN_OTHERWISE, TEXT

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp949": "CP949", "cp1252": "Windows-1252", "latin-1": "Latin-1"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, ""),
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Everything below space but tab and line ends, DEL, C1, and the mark that a decoder leaves for a lost character.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_CELLS_A_CHUNK = 500_000
_LONGEST_VALUE_SHOWN = 120


def fault(file: str, row: int | None, column: str, value: str, problem: str, mend: str) -> Fault:
    """A Fault whose value and column are cut to a length that can be read."""
    short = [text if len(text) <= _LONGEST_VALUE_SHOWN else text[:_LONGEST_VALUE_SHOWN] + "…" for text in (column, value)]
    return Fault(file, row, short[0], short[1], problem, mend)


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
    """

    file: str
    sheet: str
    headers: tuple[str, ...]
    columns: tuple[pa.Array, ...]
    kinds: tuple[np.ndarray | None, ...]
    rows: np.ndarray
    delimiter: str
    notes: tuple[str, ...]

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
            raise DataRefused([
                fault(self.file, number, "", "", f"the table has more than {limits.MAX_ROWS:,} rows", "Split the data set.")
            ])  # fmt: skip
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
                expected: Iterable[str] = ()) -> list[Table]:  # fmt: skip
    """The tables of one file: one, or a workbook's sheets that hold anything.

    ``shown`` is the name in messages; ``expected`` are header names that help to decide the delimiter.
    Raises DataRefused with the faults of the file's shape: encoding, delimiter, headers, rows, bounds.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataRefused([fault(shown, None, "", "", "the file cannot be opened", "Check its name and rights.")]) from error
    if size > limits.MAX_UPLOAD_BYTES:
        raise DataRefused([
            fault(shown, None, "", "", f"the file has {size / 2**20:,.0f} MiB; at most {limits.MAX_UPLOAD_BYTES // 2**20} are read",
                  "Split the data set, or save it as Parquet.")
        ])  # fmt: skip
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        return _read_workbook(path, shown)
    if suffix == ".parquet":
        return [_read_parquet(path, shown)]
    return [_read_text(path.read_bytes(), shown, encoding, delimiter, set(expected))]


# --- text ---------------------------------------------------------------------------------------------------


def _read_text(content: bytes, shown: str, encoding: str, delimiter: str, expected: set[str]) -> Table:
    text, found = decode(content, shown, encoding)
    _refuse_control_characters(text, shown)
    if delimiter == "auto":
        table = _table_by_its_delimiter(text, shown, found, expected)
    else:
        table = _parse(text, shown, DELIMITERS.get(delimiter, delimiter), found)
    if isinstance(table, list):
        raise DataRefused(table)
    return table


def decode(content: bytes, shown: str, encoding: str = "auto") -> tuple[str, str]:
    """The text of a file and the encoding's name; raises DataRefused where that is not certain."""
    if content[:2] == b"PK" or content[:4] in (b"PAR1", b"\xd0\xcf\x11\xe0"):
        raise DataRefused([
            fault(shown, None, "", "", "the file is not text: its first bytes are those of a workbook, archive or Parquet file",
                  "Give it the ending that it has, .xlsx or .parquet, or save it as CSV.")
        ])  # fmt: skip
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if marked == "":
        raise DataRefused([fault(shown, None, "", "", "the file is UTF-32", "Save it as UTF-8.")])
    if encoding == "auto" and marked is None and content.count(b"\0") * 3 > len(content):
        raise DataRefused([
            fault(shown, None, "", "", "every second byte is zero: the file looks like UTF-16 without its mark", "Save it as UTF-8.")
        ])  # fmt: skip
    if marked is not None and encoding not in ("auto", marked):
        raise DataRefused([
            fault(shown, None, "", "", f"the file begins with the mark of {ENCODINGS[marked]}, not of {ENCODINGS[encoding]}",
                  "Set the encoding (--encoding) to auto.")
        ])  # fmt: skip
    chosen = marked or (encoding if encoding != "auto" else "utf-8")
    codec = {"utf-8": "utf-8-sig"}.get(chosen, chosen)
    try:
        return content.decode(codec), ENCODINGS[chosen]
    except UnicodeDecodeError as error:
        if encoding == "auto" and marked is None and _looks_korean(content):
            return content.decode("cp949"), "CP949, recognised by its Korean syllables"
        row = content.count(b"\n", 0, error.start) + 1
        value = content[error.start : error.start + 1].hex()
        raise DataRefused([
            fault(shown, row, "", f"byte {value}", f"the file is not {ENCODINGS[chosen]}, and nothing in it says what it is",
                  "Save it as UTF-8, or name its encoding (--encoding cp949, cp1252 or latin-1).")
        ]) from error  # fmt: skip


def _looks_korean(content: bytes) -> bool:
    """Whether bytes above ASCII are Korean text in KS X 1001, and not Western text that happens to decode.

    CP949 gives a meaning to almost any byte pair: "°C" of a Latin-1 file would become a syllable. Real Korean
    has only pairs of bytes from A1 to FE, mostly Hangul (first byte B0 to C8), several syllables in a row.
    """
    pairs = re.findall(rb"[\xa1-\xfe][\xa1-\xfe]", content)
    if not pairs or len(re.sub(rb"[\xa1-\xfe][\xa1-\xfe]|[\x00-\x7f]", b"", content)):
        return False
    hangul = sum(0xB0 <= pair[0] <= 0xC8 for pair in pairs)
    hanja = sum(pair[0] >= 0xCA for pair in pairs)
    words = re.search(rb"(?:[\xb0-\xc8][\xa1-\xfe]){2}", content) is not None
    if not (words and hangul * 2 >= len(pairs) and hanja * 10 <= hangul):
        return False
    try:
        content.decode("euc_kr")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_control_characters(text: str, shown: str) -> None:
    faults = []
    for found in _CONTROL.finditer(text):
        row = text.count("\n", 0, found.start()) + 1
        faults.append(
            fault(shown, row, "", f"U+{ord(found[0]):04X}", "the file holds a control character or a lost one",
                  "Remove the character, or save the file as UTF-8 from the program that made it.")
        )  # fmt: skip
        if len(faults) == 20:  # one broken encoding makes thousands; twenty are enough to find it
            break
    if faults:
        raise DataRefused(faults)


def _table_by_its_delimiter(text: str, shown: str, encoding: str, expected: set[str]) -> Table | list[Fault]:
    """The table under the one delimiter that gives every row as many cells as the header."""
    first_line = next((line for line in io.StringIO(text) if line.strip()), "")
    if not first_line:
        return [fault(shown, None, "", "", "the file is empty", "Give a file with a header and rows.")]
    marks = [mark for mark in DELIMITERS.values() if mark in first_line]
    if not marks and first_line.strip().casefold() in expected:
        marks = [","]  # one column, such as a list of materials that says nothing of them
    results = [_parse(text, shown, mark, encoding) for mark in marks]
    if not results:
        return [
            fault(shown, 1, "", first_line.strip(), "the header has one cell: no comma, semicolon or tab stands in it",
                  "The first row must name the columns; set the delimiter if it is another.")
        ]  # fmt: skip
    tables = [result for result in results if isinstance(result, Table)]
    if not tables:
        # The reading with the fewest complaints is the one that was meant.
        return min((result for result in results if isinstance(result, list)), key=len)
    known = [sum(header.casefold() in expected for header in table.headers) for table in tables]
    best = [table for table, count in zip(tables, known) if count == max(known)]
    if len(best) > 1:
        return [
            fault(shown, None, "", "", "the file can be read with more than one delimiter", "Set the delimiter (--delimiter).")
        ]
    return best[0]


def _parse(text: str, shown: str, delimiter: str, encoding: str) -> Table | list[Fault]:
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    number = 1
    try:
        header = next(records, None)
        if header is None or not any(cell.strip() for cell in header):
            return [fault(shown, 1, "", "", "the first row is blank", "Begin the file with the names of the columns.")]
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
        return [
            fault(shown, number + len(rows), "", "", f"the quotes are broken ({error})",
                  'Close every quote; write a quote inside a quoted cell as "".')
        ]  # fmt: skip
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
        if builder is not None:
            result = _finish(builder, name, sheet, header, "", f"a sheet of a workbook{left}")
            faults.extend(result) if isinstance(result, list) else tables.append(result)

    try:
        for document in workbook.workbook_lines(path):
            if isinstance(document, list):
                number, values, kinds = document
                cells = ["" if value is None else value if isinstance(value, str) else repr(value) for value in values]
                if builder is None:
                    header = [cell.removesuffix(".0") if kind == NUMBER else cell for cell, kind in zip(cells, kinds)]
                    faults.extend(
                        fault(name, number, "", cell, "a column's name is not text: the program may have changed it into "
                              "a date or a number", "Write the name again in a cell formatted as text.")
                        for cell, kind in zip(header, kinds) if kind not in (TEXT, NUMBER) or (kind == NUMBER and not cell.isdigit())
                    )  # fmt: skip
                    builder = _Builder(name, len(cells), typed=True)
                    if number > 1:
                        faults.append(fault(name, 1, "", "", "the first row is blank", "Begin the sheet with the names of the columns."))
                    continue
                short = builder.width - len(cells)
                builder.add(number, cells + [""] * short, kinds + TEXT * short)
            elif "left_aside" in document:
                left = f"; not read: {', '.join(document['left_aside'])}"
            elif "sheet" in document:
                close()
                builder, sheet, name = None, document["sheet"], f"{shown}, sheet {document['sheet']}"
            else:
                faults.extend(
                    fault(name, int(re.sub(r"\D", "", area.split(":")[0]) or 0), "", area, "cells are merged",
                          "Unmerge them and write the value into every cell.")
                    for area in document["merged"]
                )  # fmt: skip
        close()
    except workbook.WorkbookRefused as refused:
        raise DataRefused([fault(shown, None, "", "", *refused.args)]) from refused
    if faults:
        raise DataRefused(faults)
    if not tables:
        raise DataRefused([fault(shown, None, "", "", "the workbook is empty", "Give a workbook with a header and rows.")])
    return tables


# --- Parquet ------------------------------------------------------------------------------------------------


def arrow_table(path: Path, shown: str) -> pa.Table:
    """A Parquet file within the bounds of limits.py, its texts as dictionaries; raises DataRefused."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            shape = file.metadata
            unpacked = sum(shape.row_group(g).total_byte_size for g in range(shape.num_row_groups))
            if shape.num_rows > limits.MAX_ROWS or shape.num_columns > limits.MAX_COLUMNS or unpacked > limits.MAX_PARQUET_BYTES:
                raise DataRefused([
                    fault(shown, None, "", "", f"the table has {shape.num_rows:,} rows, {shape.num_columns:,} columns and "
                          f"{unpacked // 2**20:,} MiB, more than is read",
                          f"At most {limits.MAX_ROWS:,} rows and {limits.MAX_COLUMNS:,} columns.")
                ])  # fmt: skip
            # Texts stay a dictionary until their number is known: a small file can repeat a long text a million times.
            texts = [c.path for c in map(shape.schema.column, range(shape.num_columns)) if c.physical_type == "BYTE_ARRAY"]
        return pq.read_table(path, read_dictionary=texts, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataRefused([
            fault(shown, None, "", "", "the file is not a Parquet file, or is damaged", "Write it again, or save it as CSV.")
        ]) from error  # fmt: skip


def _read_parquet(path: Path, shown: str) -> Table:
    frame = arrow_table(path, shown)
    columns, kinds, faults = [], [], []
    for header, column in zip(frame.column_names, frame.columns):
        try:
            text, kind = column_as_text(column)
        except (pa.ArrowException, ValueError):
            faults.append(
                fault(shown, None, header, str(column.type), "the column's type is not text or number", "Write it as text or number.")
            )
            continue
        columns.append(text)
        kinds.append(np.full(len(text), kind, "S1"))
    if faults:
        raise DataRefused(faults)
    rows = np.arange(2, frame.num_rows + 2)
    result = _checked(shown, "", list(frame.column_names), columns, kinds, rows, "", "Parquet", 0)
    if isinstance(result, list):
        raise DataRefused(result)
    return result


def column_as_text(column: pa.ChunkedArray) -> tuple[pa.Array, str]:
    """A Parquet column as text, exactly, with "" for null; raises for types that are neither text nor number."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        longest = max((pc.max(pc.utf8_length(chunk.dictionary.cast(pa.string()))).as_py() or 0 for chunk in column.chunks), default=0)
        if longest * len(column) > limits.MAX_PARQUET_BYTES:
            raise ValueError("text too long")
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        letter = TEXT
    elif pa.types.is_integer(kind):
        letter = NUMBER
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        letter = SHOWN_OTHERWISE  # a number, but not the text of a code
        if pa.types.is_floating(kind):
            column = column.cast(pa.float64())
    elif pa.types.is_boolean(kind):
        letter = BOOLEAN
    elif pa.types.is_temporal(kind):
        letter = DATE
    else:
        raise ValueError("neither text nor number")
    text = column.cast(pa.string()).combine_chunks()
    return pc.fill_null(text, ""), letter


# --- what all three have in common --------------------------------------------------------------------------


def _finish(builder: _Builder, shown: str, sheet: str, header: Sequence[str], delimiter: str, how: str) -> Table | list[Fault]:
    if builder.faults:
        return builder.faults
    columns, kinds = builder.columns()
    return _checked(shown, sheet, header, list(columns), list(kinds), np.array(builder.rows, np.int64), delimiter, how, builder.blank)


def _checked(shown: str, sheet: str, header: Sequence[str], columns: list[pa.Array], kinds: list[np.ndarray | None],
             rows: np.ndarray, delimiter: str, how: str, blank: int) -> Table | list[Fault]:  # fmt: skip
    notes = [f"{shown}: {len(rows):,} rows; {how}."]
    if blank:
        notes.append(f"{shown}: blank rows skipped: {blank:,}.")
    if len(header) > limits.MAX_COLUMNS:
        return [fault(shown, 1, "", "", f"the table has more than {limits.MAX_COLUMNS:,} columns", "Give a long table.")]
    headers = [unicodedata.normalize("NFC", cell.strip()) for cell in header]
    nameless = [c for c, name in enumerate(headers) if not name]
    faults = []
    for c in nameless:
        if pc.any(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(columns[c])), 0)).as_py():
            faults.append(fault(shown, 1, "", "", f"column {c + 1} has values but no name", "Name the column, or remove it."))
    if nameless and not faults:
        notes.append(f"{shown}: {len(nameless)} empty {'column' if len(nameless) == 1 else 'columns'} without a name left out.")
    named = [c for c in range(len(headers)) if headers[c]]
    first: dict[str, int] = {}
    for c in named:
        if headers[c] in first:
            faults.append(
                fault(shown, 1, headers[c], headers[c], f"columns {first[headers[c]] + 1} and {c + 1} have the same name",
                      "Give every column a name of its own.")
            )  # fmt: skip
        first.setdefault(headers[c], c)
        longest = pc.max(pc.utf8_length(columns[c])).as_py() or 0
        if longest > limits.MAX_CELL_CHARACTERS:
            row = int(rows[pc.index(pc.utf8_length(columns[c]), longest).as_py()])
            faults.append(
                fault(shown, row, headers[c], "", f"the cell has {longest:,} characters; at most {limits.MAX_CELL_CHARACTERS:,} are read",
                      "Shorten it; a quote that is never closed can cause this.")
            )  # fmt: skip
    if faults:
        return faults
    return Table(
        shown, sheet, tuple(headers[c] for c in named), tuple(columns[c] for c in named), tuple(kinds[c] for c in named),
        rows, delimiter, tuple(notes),
    )  # fmt: skip
