"""Tables as laboratories and spreadsheets really make them: read exactly, or refused with the row; never almost right.

``tests/test_reading.py`` holds those of plain text files; here are workbooks, Parquet files, files that must agree
with each other, and what is left behind under and above tables. Whatever is written is read back exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from scipy.sparse import csr_array

from matrep_core.errors import DataRefused
from matrep_core.formulas.reading import ReadingOptions, read_data
from matrep_core.formulas.schema import FormulaSet, Property
from matrep_core.formulas.storage import content_hash, read_formula_set, write_csv_folder, write_formula_set

HEAD = ["formula_id", "material", "amount"]
PROPERTIES = "formula_id,property,value,unit\nF1,viscosity,12.5,mPa.s\nF2,viscosity,900,mPa.s\n"
RIGHT = {"F1": {"A": 40.5, "B": 59.5}, "F2": {"A": 100.0}}
Write = Callable[[Path], None]


def text(content: str, name: str = "formulas.csv", properties: str = PROPERTIES, encoding: str = "utf-8", materials: str = "") -> Write:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content.encode(encoding))
        (folder / "properties.csv").write_text(properties, encoding="utf-8")
        if materials:
            (folder / "materials.csv").write_text(materials, encoding="utf-8")

    return write


def book(*rows: list, head: list = HEAD, then: Callable = lambda sheet: None, above: list[list] = []) -> Write:
    def write(folder: Path) -> None:
        made = openpyxl.Workbook(iso_dates=False)
        for row in [*above, head, *rows]:
            made.active.append(row)
        then(made.active)
        made.save(folder / "formulas.xlsx")
        (folder / "properties.csv").write_text(PROPERTIES)

    return write


def formatted(place: str, number_format: str) -> Callable:
    def then(sheet) -> None:
        sheet[place].number_format = number_format

    return then


def parquet(**columns: object) -> Write:
    def write(folder: Path) -> None:
        pq.write_table(pa.table(columns), folder / "formulas.parquet")
        (folder / "properties.csv").write_text(PROPERTIES)

    return write


GOOD = [["F1", "A", 40.5], ["F1", "B", 59.5], ["F2", "A", 100]]
IDS, CODES, AMOUNTS = ["F1", "F1", "F2"], ["A", "B", "A"], [40.5, 59.5, 100.0]
LONG = "formula_id,material,amount\nF1,A,40.5\nF1,B,59.5\nF2,A,100\n"

EXACT: dict[str, tuple[Write, dict]] = {
    "a plain workbook": (book(*GOOD), RIGHT),
    "numbers kept as text": (book(["F1", "A", "40.5"], ["F1", "B", "59.5"], ["F2", "A", "100"]), RIGHT),
    "numbers and texts mixed": (book(["F1", "A", 40.5], ["F1", "B", "59.5"], ["F2", "A", 100]), RIGHT),
    "decimal commas kept as text": (book(["F1", "A", "40,5"], ["F1", "B", "59,5"], ["F2", "A", 100]), RIGHT),
    "letters of several fonts in one cell": (
        book(["F1", CellRichText("A", TextBlock(InlineFont(b=True), "qua")), 100], ["F2", "A", 100]),
        {"F1": {"Aqua": 100.0}, "F2": {"A": 100.0}},
    ),
    "whole numbers as codes": (book(["F1", 4711, 100], ["F2", "4711", 100]), {"F1": {"4711": 100.0}, "F2": {"4711": 100.0}}),
    "hidden rows": (book(*GOOD, then=lambda sheet: sheet.row_dimensions.__getitem__(3).__setattr__("hidden", True)), RIGHT),
    "a hard blank after a code": (book(["F1", "A\u00a0", 40.5], ["F1", "B", 59.5], ["F2", "A\u00a0", 100]), RIGHT),
    "rows of nothing in between": (book(GOOD[0], [None] * 3, GOOD[1], ["", " ", None], GOOD[2]), RIGHT),
    "a number shown with its decimals cut": (book(*GOOD, then=formatted("C2", "0")), RIGHT),
    "a formula with its result": (text(LONG), RIGHT),
    "quoted numbers": (text('"formula_id","material","amount"\n"F1","A","40.5"\n"F1","B","59.5"\n"F2","A","100"\n'), RIGHT),
    "line ends of two systems": (text(LONG.replace("\n", "\r\n", 2)), RIGHT),
    "numbers without a digit before or after the mark": (
        text("formula_id,material,amount\nF1,A,.5\nF1,B,99.5\nF2,A,100.\n"), {"F1": {"A": 0.5, "B": 99.5}, "F2": {"A": 100.0}},
    ),
    "a hard blank after a number": (text(LONG.replace("40.5", "40.5\u00a0")), RIGHT),
    "an inch mark in a name": (text(LONG.replace("A,", 'Tube 5" A,')), {"F1": {'Tube 5" A': 40.5, "B": 59.5}, "F2": {'Tube 5" A': 100.0}}),
    "tabs under the ending csv": (text(LONG.replace(",", "\t")), RIGHT),
    "semicolons under the ending txt": (text(LONG.replace(",", ";"), "formulas.txt"), RIGHT),
    "UTF-16 as spreadsheets save Unicode text": (text(LONG.replace(",", "\t"), "formulas.txt", encoding="utf-16"), RIGHT),
    "a blank after the id in one file alone": (text(LONG, properties=PROPERTIES.replace("F1,", "F1 ,")), RIGHT),
    "a name composed in one file and decomposed in another": (
        text(LONG.replace("A,", "Soufre\u0301,"), materials="material,inci\nSoufr\u00e9,Sulfur\n"),
        {"F1": {"Soufr\u00e9": 40.5, "B": 59.5}, "F2": {"Soufr\u00e9": 100.0}},
    ),
    "a column of dates beside": (text(LONG.replace("amount\n", "amount,day\n").replace("5\n", "5,2024-01-05\n").replace("100\n", "100,2024-01-06\n")), RIGHT),
    "Parquet": (parquet(formula_id=IDS, material=CODES, amount=AMOUNTS), RIGHT),
    "Parquet with categories": (parquet(formula_id=pa.array(IDS).dictionary_encode(), material=pa.array(CODES).dictionary_encode(), amount=AMOUNTS), RIGHT),
    "Parquet with single precision": (parquet(formula_id=IDS, material=CODES, amount=pa.array(AMOUNTS, pa.float32())), RIGHT),
    "Parquet with decimals": (parquet(formula_id=IDS, material=CODES, amount=[Decimal("40.5"), Decimal("59.5"), Decimal("100.0")]), RIGHT),
    "Parquet with whole numbers as codes": (
        parquet(formula_id=IDS, material=[7, 8, 7], amount=AMOUNTS), {"F1": {"7": 40.5, "8": 59.5}, "F2": {"7": 100.0}},
    ),
}  # fmt: skip

REFUSED: dict[str, tuple[Write, list[int | None], str]] = {
    "leading zeros that are only a format": (book(["F1", 123, 100], GOOD[2], then=formatted("B2", "00000")), [2], "not certain"),
    "a code that became a date": (book(["F1", date(2024, 3, 1), 100], GOOD[2]), [2], "date"),
    "an id that became a date and time": (book([datetime(2024, 3, 1, 12), "A", 100], GOOD[2]), [2], "date"),
    "an amount that became a date": (book(["F1", "A", date(2024, 3, 1)], GOOD[2]), [2], "date"),
    "a code that became a power of ten": (book(["F1", 1e5, 100], GOOD[2], then=formatted("B2", "0.00E+00")), [2], "not certain"),
    "a code that became true": (book(["F1", True, 100], GOOD[2]), [2], "true or false"),
    "a code with decimals": (book(["F1", 12.5, 100], GOOD[2]), [2], "not certain"),
    "ids that are merged": (book(*GOOD, then=lambda sheet: sheet.merge_cells("A2:A3")), [2], "merged"),
    "amounts shown as percentages": (book(["F1", "A", 0.405], ["F1", "B", 0.595], then=formatted("C2", "0.0%")), [2], "percentage"),
    "an error of a formula": (book(["F1", "A", "#DIV/0!"], GOOD[2]), [2], "error of the spreadsheet"),
    "a formula without its result": (book(["F1", "A", "=40+0.5"], ["F1", "B", 59.5], GOOD[2]), [2], "never stored"),
    "a total below": (book(*GOOD, ["Total", None, 200]), [5, 5], "summary"),
    "a note below": (book(*GOOD, ["* measured at 25 °C", None, None]), [5, 5], "empty"),
    "a note below, in a file": (text(LONG + "n = 3,,\n"), [5, 5], "empty"),
    "units in a row of their own": (book(["", "", "wt%"], *GOOD), [2, 2, 2], "percent sign"),
    "a title above": (book(*GOOD, above=[["Formulas of March", None, None]]), [2], "cells"),
    "a blank row above": (book(*GOOD, above=[[None, None, None]]), [1], "first row is blank|missing"),
    "a unit in the name of the amounts": (text(LONG.replace("amount", "amount [g]")), [1], "amount missing"),
    "a hint for a spreadsheet above": (text("sep=,\n" + LONG), [2, 3, 4, 5], "cells"),
    "a mark of a footnote": (text(LONG.replace("40.5", "40.5*")), [2], "more than a number"),
    "Arabic digits": (text(LONG.replace("40.5", "\u0664\u0660")), [2], "not a number"),
    "a superscript": (text(LONG.replace("100", "10\u00b2")), [4], "number"),
    "a typographic minus": (text(LONG.replace("40.5", "\u221240.5")), [2], "number"),
    "thousands with apostrophes": (text(LONG, properties=PROPERTIES.replace("900", "1'900")), [3], "thousands"),
    "thousands and decimals the other way": (text(LONG, properties=PROPERTIES.replace("900", '"1.900,5"')), [3], "thousands"),
    "a fraction": (text(LONG.replace("40.5", "81/2")), [2], "number"),
    "amounts of two in one cell": (text(LONG.replace("40.5", "40-41")), [2], "number"),
    "a question mark": (text(LONG.replace("40.5", "40.5?")), [2], "more than a number"),
    "a comma too many at the end of a row": (text(LONG.replace("59.5\n", "59.5,\n")), [3], "4 cells"),
    "an id that became a decimal number": (
        text("formula_id,material,amount\n1,A,100\n2,A,100\n", properties=PROPERTIES.replace("F1", "1.0").replace("F2", "2.0")),
        [2, 3], "no formula has this id",
    ),
    "an id that lost its zeros": (
        text("formula_id,material,amount\n007,A,100\n", properties="formula_id,property,value,unit\n7,v,1,x\n"), [2], "no formula has this id",
    ),
    "one unit written in two ways": (text(LONG, properties=PROPERTIES.replace("900,mPa.s", "900,mPa\u00b7s")), [3], "has the unit"),
    "a mark of UTF-8 inside a code": (text(LONG.replace("F2,A", "F2,\ufeffA")), [4], "looks the same"),
    "a soft hyphen inside a code": (text(LONG.replace("F1,A", "F1,Aqua").replace("F2,A", "F2,A\u00adqua")), [4], "looks the same"),
    "a tab inside a code": (text(LONG.replace("F1,A", 'F1,"A\tx"')), [2], "tab"),
    "two encodings in one file": (
        lambda folder: (text(LONG)(folder), (folder / "formulas.csv").write_bytes(LONG.encode() + "F3,Öl,100\n".encode("latin-1")))[0],
        [5], "--encoding",
    ),
    "Parquet with codes that became numbers with decimals": (parquet(formula_id=IDS, material=[123.0, 124.0, 123.0], amount=AMOUNTS), [2, 3, 4], "not certain"),
    "Parquet with codes that became dates": (parquet(formula_id=IDS, material=[date(2024, 3, 1)] * 3, amount=AMOUNTS), [2, 3, 4], "date"),
    "Parquet with an amount that is missing": (parquet(formula_id=IDS, material=CODES, amount=[40.5, None, 100.0]), [3], "empty|not finite"),
    "Parquet with NaN": (parquet(formula_id=IDS, material=CODES, amount=[40.5, float("nan"), 100.0]), [3], "not finite|not a number"),
    "Parquet with a code that is missing": (parquet(formula_id=IDS, material=["A", None, "A"], amount=AMOUNTS), [3], "empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_it_is_read_exactly(case: str, tmp_path: Path, figures) -> None:
    write, expected = EXACT[case]
    write(tmp_path)
    data = read_data([tmp_path]).data
    found = {name: dict(data.formula(i)) for i, name in enumerate(data.formula_ids)}
    figures.add(hostile_tables_tried=1, silently_wrong=int(found != expected))
    assert found == expected
    assert sorted(data.measurements["value"]) in ([12.5, 900.0], [12.5], [900.0])


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_its_row(case: str, tmp_path: Path, figures) -> None:
    write, rows, words = REFUSED[case]
    write(tmp_path)
    try:
        data = read_data([tmp_path]).data
    except DataRefused as error:
        figures.add(hostile_tables_tried=1, silently_wrong=0)
        assert [fault.row for fault in error.faults if fault.row is not None][: len(rows)] == rows, str(error)
        assert pd.Series([str(error)]).str.contains(words).all(), str(error)
    else:
        figures.add(hostile_tables_tried=1, silently_wrong=1)
        raise AssertionError(f"it was read: {data.materials} {data.amounts.data}")


# --- wide tables --------------------------------------------------------------------------------------------

WIDE = {
    "a column with the total": "id,A,B,Total,v\nF1,40,60,100,5\nF2,100,,100,6\n",
    "fractions instead of weight-%": "id,A,B,v\nF1,0.4,0.6,5\nF2,1,,6\n",
    "one material in two columns": "id,A,A ,v\nF1,40,60,5\nF2,100,,6\n",
    "a property that was not measured in words": "id,A,B,v\nF1,40,60,n.d.\nF2,100,,6\n",
    "units in a row of their own": "id,A,B,v\n,%,%,mPas\nF1,40,60,5\nF2,100,,6\n",
    "a trace instead of an amount": "id,A,B,v\nF1,100,trace,5\nF2,100,5,6\n",
    "a mean below": "id,A,B,v\nF1,40,60,5\nF2,100,0,6\nMean,70,30,5.5\n",
}


@pytest.mark.parametrize("case", WIDE)
def test_a_wide_table_is_refused(case: str, tmp_path: Path, figures) -> None:
    (tmp_path / "wide.csv").write_text(WIDE[case])
    figures.add(hostile_tables_tried=1, silently_wrong=0)
    with pytest.raises(DataRefused):
        read_data([tmp_path / "wide.csv"], ReadingOptions(property_columns=("v",)))


# --- written and read back ----------------------------------------------------------------------------------

# Any text that a code can be: what reading itself would change or refuse is left out.
characters = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Zs", "Mn", "Mc", "Me", "Co", "Cn"))
codes = st.text(characters, min_size=1, max_size=8).map(lambda s: __import__("unicodedata").normalize("NFC", s)).filter(
    lambda s: s.strip() == s and s.casefold() not in {"total", "sum", "mean", "min", "max", "count", "avg", "std", "median", "계"} and "\ufffd" not in s
)
numbers = st.floats(-1e300, 1e300, allow_subnormal=True)


@st.composite
def sets(draw: st.DrawFn) -> FormulaSet:
    materials = sorted(draw(st.lists(codes, min_size=2, max_size=5, unique=True)))
    ids = draw(st.lists(codes, min_size=1, max_size=4, unique=True))
    dense = np.zeros((len(ids), len(materials)))
    for row in dense:
        first = draw(st.floats(1e-9, 99.0))
        row[draw(st.integers(0, len(materials) - 1))] = first
        row[draw(st.integers(0, len(materials) - 1))] = 100 - first
        row *= 100 / row.sum()
    used = np.flatnonzero(dense.any(axis=0))
    values = draw(st.lists(numbers, min_size=len(ids), max_size=len(ids)))
    frame = pd.DataFrame({
        "formula": np.arange(len(ids)), "property": pd.array(["점도 v"] * len(ids), dtype="str"), "value": values,
        "unit": pd.array(["mPa·s"] * len(ids), dtype="str"), "temperature": draw(st.lists(numbers, min_size=len(ids), max_size=len(ids))),
    })  # fmt: skip
    info = pd.DataFrame({"inci": pd.array([draw(st.just("") | codes) for _ in used], dtype="str")})
    kept = tuple(materials[m] for m in used)
    return FormulaSet("set", tuple(ids), kept, csr_array(dense[:, used]), frame, info, (Property("점도 v", "mPa·s", "linear"),))


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=sets())
def test_what_is_written_is_read_back_exactly(tmp_path: Path, figures, data: FormulaSet) -> None:
    figures.add(round_trips=1)
    write_formula_set(data, tmp_path / "stored")
    assert content_hash(read_formula_set(tmp_path / "stored")) == content_hash(data)
    write_csv_folder(data, tmp_path / "csv")
    try:
        back = read_data([tmp_path / "csv"]).data
    except DataRefused as error:
        assert "looks the same" in str(error), error  # two codes that nobody could tell apart
        return
    order = np.argsort(np.array(data.materials, object))
    same = replace(data, materials=tuple(data.materials[m] for m in order), amounts=data.amounts[:, order],
                   material_info=data.material_info.iloc[order].reset_index(drop=True))  # fmt: skip
    assert content_hash(back) == content_hash(same)
