"""One file to text cells: encodings, delimiters, bounds, and files that a stranger may have made."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from matrep_core import limits
from matrep_core.errors import DataRefused
from matrep_core.formulas.decoding import decode
from matrep_core.formulas.tables import read_tables
from matrep_core.formulas.workbook import _watch


def written(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(DataRefused) as caught:
        read_tables(path, path.name, **options)
    return str(caught.value)


KOREAN = "원료명,함량\n정제수,70\n글리세린,5.5\n1,2-헥산다이올 ℃,2\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\n".encode(), "UTF-8"),
        ("\ufeffa,µ\n".encode(), "UTF-8"),
        ("a,µ\n".encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + "a,µ\n".encode("utf-16-be"), "UTF-16"),
        (KOREAN.encode("cp949"), "CP949, recognised by its Korean syllables"),
    ],
)
def test_an_encoding_is_recognised_by_what_the_file_holds(content: bytes, name: str) -> None:
    text, found = decode(content, "t.csv")
    assert found == name
    assert text in ("a,b\n", "a,µ\n", KOREAN)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "iso8859-15", "mac-roman"])
@pytest.mark.parametrize(
    "text", [
        "Wachs µ 40 °C", "Öl", "crème brûlée", "Préétabli", "Ester 60 % ±2 °", "naïve façade", "ÄÖÜß äöüß", "25 °Ä"
    ]
)
def test_western_text_is_never_taken_for_korean(text: str, encoding: str) -> None:
    try:
        content = f"a,{text}\n".encode(encoding)
    except UnicodeEncodeError:
        pytest.skip("this code page cannot write the text")
    with pytest.raises(DataRefused, match="--encoding"):
        decode(content, "t.csv")


def test_a_named_encoding_is_followed_strictly(tmp_path: Path) -> None:
    assert decode("a,µ\n".encode("cp1252"), "t.csv", "cp1252")[0] == "a,µ\n"
    with pytest.raises(DataRefused, match="not UTF-8"):
        decode("a,µ\n".encode("cp1252"), "t.csv", "utf-8")
    with pytest.raises(DataRefused, match="mark of UTF-8"):
        decode("\ufeffa\n".encode(), "t.csv", "cp949")
    # A euro sign of Windows-1252 read as Latin-1 becomes a control character, which is refused.
    assert "control character" in refusal(written(tmp_path, b"a,b\n\x80,1\n"), encoding="latin-1")


@pytest.mark.parametrize(
    ("text", "delimiter", "headers"),
    [
        ("a,b\n1,2\n", ",", ("a", "b")),
        ("a;b\n1,5;2\n", ";", ("a", "b")),
        ("a\tb\n1,5\t2;3\n", "\t", ("a", "b")),
        ('"a,x";b\n1;2\n', ";", ("a,x", "b")),
        ("a;b,c\n1;2\n", ";", ("a", "b,c")),
        ('a,b\n"1;2",3\n', ",", ("a", "b")),
    ],
)
def test_the_delimiter_is_the_one_that_fits_every_row(
    text: str, delimiter: str, headers: tuple, tmp_path: Path
) -> None:
    (table,) = read_tables(written(tmp_path, text), "t.csv")
    assert (table.delimiter, table.headers) == (delimiter, headers)


def test_a_file_that_two_delimiters_fit_is_refused_until_one_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a;x,b\n1;2,3\n")
    assert "more than one delimiter" in refusal(path)
    (table,) = read_tables(path, "t.csv", delimiter="semicolon")
    assert [column.to_pylist() for column in table.columns] == [["1"], ["2,3"]]


def test_rows_are_numbered_as_a_spreadsheet_numbers_them(tmp_path: Path) -> None:
    (table,) = read_tables(written(tmp_path, 'a,b\n1,"x\ny"\n\n ,\n2,z\n'), "t.csv")
    assert table.rows.tolist() == [2, 5]
    assert table.columns[1].to_pylist() == ["x\ny", "z"]
    assert "blank rows skipped: 2" in table.notes[1]
    assert "t.csv, row 4: the row has 1 cells" in refusal(written(tmp_path, 'a,b\n1,"x\ny"\n\n2\n'))


def test_many_chunks_give_the_same_table_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a,b,c\n" + "".join(f"{i},x{i},\n" if i % 7 else "\n" for i in range(200))
    (whole,) = read_tables(written(tmp_path, text), "t.csv")
    monkeypatch.setattr("matrep_core.formulas.tables._CELLS_A_CHUNK", 20)
    (chunked,) = read_tables(written(tmp_path, text), "t.csv")
    assert chunked.rows.tolist() == whole.rows.tolist()
    assert [c.to_pylist() for c in chunked.columns] == [c.to_pylist() for c in whole.columns]


@pytest.mark.parametrize(
    ("limit", "bound", "content", "words"),
    [
        ("MAX_UPLOAD_BYTES", 8, "a,b\n1,2\n3,4\n", "MiB"),
        ("MAX_ROWS", 2, "a,b\n" + "1,2\n" * 3, "more than 2 rows"),
        ("MAX_COLUMNS", 3, "a,b,c,d\n1,2,3,4\n", "more than 3 columns"),
        ("MAX_CELL_CHARACTERS", 5, "a,b\n1,123456\n", "6 characters"),
    ],
)
def test_what_is_larger_than_its_bound_is_refused(
    limit: str, bound: int, content: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, content)
    assert read_tables(path, "t.csv")
    monkeypatch.setattr(limits, limit, bound)
    assert words in refusal(path)


# --- workbooks that a stranger packed -----------------------------------------------------------------------

NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = f'<worksheet xmlns="{NAMESPACE}"><sheetData>{{}}</sheetData></worksheet>'


def packed(tmp_path: Path, sheet: str | bytes, extra: dict[str, bytes] | None = None) -> Path:
    """A real workbook whose only sheet's XML is replaced."""
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.save(tmp_path / "real.xlsx")
    path = tmp_path / "packed.xlsx"
    with zipfile.ZipFile(tmp_path / "real.xlsx") as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "xl/worksheets/sheet1.xml":
                content = sheet if isinstance(sheet, bytes) else sheet.encode()
            target.writestr(name, content)
        for name, content in (extra or {}).items():
            target.writestr(name, content)
    return path


def cells(*rows: str) -> str:
    return SHEET.format("".join(rows))


def line(number: int, *texts: str) -> str:
    inside = "".join(
        f'<c r="{column}{number}" t="inlineStr"><is><t>{t}</t></is></c>' for column, t in zip("ABC", texts)
    )
    return f'<row r="{number}">{inside}</row>'


def test_the_packed_workbook_of_these_tests_is_readable(tmp_path: Path) -> None:
    (table,) = read_tables(packed(tmp_path, cells(line(1, "a", "b"), line(4, "1", "2"))), "t.xlsx")
    assert (table.headers, table.rows.tolist()) == (("a", "b"), [4])


def test_a_workbook_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKBOOK_SECONDS", 0.3)
    far = "".join(f'<row r="{i}"><c r="A{i}"><v>1</v></c></row>' for i in range(2, 300_000))
    assert "more than 0.3 seconds" in refusal(packed(tmp_path, cells(line(1, "a"), far)))


def test_a_process_that_is_caught_at_its_memory_limit_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CPython is in an exception that it has no memory to handle: all memory taken, and busy for ever."""
    monkeypatch.setattr(limits, "WORKBOOK_MEMORY_BYTES", 2**26)
    fill = (
        "import resource, mmap, sys\nresource.setrlimit(resource.RLIMIT_AS, (2**26, 2**26))\nheld, size = [], 2**20\n"
        "while size >= 4096:\n try: held.append(mmap.mmap(-1, size))\n except OSError: size //= 2\nwhile True: pass"
    )
    with subprocess.Popen([sys.executable, "-S", "-c", fill]) as process:
        late = threading.Event()
        _watch(process, threading.Event(), late)
        assert process.wait(10) == -signal.SIGKILL and not late.is_set()


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        (cells(line(1, "a", "b"), line(5, "1", "2"), line(3, "3", "4")), "out of order"),
        (cells('<row r="1"><c r="B1" t="str"><v>b</v></c><c r="A1" t="str"><v>a</v></c></row>'), "out of order"),
        (cells(line(1, "a", "b"))[:-40], "damaged"),
        (cells(line(1, "a", "b"), '<row r="2"><c r="A2"><v>NaN</v></c></row>'), "damaged"),
        (cells(line(1, "a", "b"), '<row r="2"><c r="A2" t="s"><v>99</v></c></row>'), "damaged"),
        (cells(), "empty"),
    ],
)  # fmt: skip
def test_a_workbook_of_hostile_xml_is_refused(sheet: str | bytes, words: str, tmp_path: Path) -> None:
    assert words in refusal(packed(tmp_path, sheet))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\xd0\xcf\x11\xe0" + bytes(600), b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_no_workbook_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "not an .xlsx workbook" in refusal(written(tmp_path, content, "t.xlsx"))


def test_a_cell_far_away_costs_nothing(tmp_path: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576" t="str"><v>x</v></c></row>'
    assert "16384 cells" in refusal(packed(tmp_path, cells(line(1, "a", "b"), far)))


# --- Parquet ------------------------------------------------------------------------------------------------


def test_a_parquet_file_within_its_bounds_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": ["1", "2"], "b": [1.5, np.nan]}).to_parquet(path)
    (table,) = read_tables(path, "t.parquet")
    assert [c.to_pylist() for c in table.columns] == [["1", "2"], ["1.5", ""]]
    monkeypatch.setattr(limits, "MAX_ROWS", 1)
    assert "2 rows" in refusal(path)


def test_a_parquet_file_of_more_rows_comes_in_parts_with_the_rows_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [f"c{i % 7}" for i in range(95)], "b": np.arange(95) / 4}).to_parquet(path, row_group_size=40)
    monkeypatch.setattr(limits, "MAX_ROWS", 30)
    monkeypatch.setattr(limits, "ROWS_A_BATCH", 20)
    (first,) = read_tables(path, "t.parquet", most_rows=95)
    assert first.further is not None
    parts = [first, *first.further]
    assert max(len(part.rows) for part in parts) <= 20
    assert np.concatenate([part.rows for part in parts]).tolist() == list(range(2, 97))
    assert [float(c) for part in parts for c in part.columns[1].to_pylist()] == (np.arange(95) / 4).tolist()
    with pytest.raises(DataRefused, match="95 rows"):
        read_tables(path, "t.parquet", most_rows=94)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1"])
def test_a_file_that_is_no_parquet_file_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "not a Parquet file" in refusal(written(tmp_path, content, "t.parquet"))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": ["abcdefgh"]}).to_parquet(path, compression=None, use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"abcd\xdefgh"))
    assert "not text or number" in refusal(path)


def test_a_damaged_parquet_file_is_refused_or_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": ["1", "2"] * 50, "b": np.arange(100) / 3}).to_parquet(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataRefused):
            read_tables(path, "t.parquet")
