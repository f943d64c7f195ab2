"""Workbooks and Parquet: what a cell stores is read exactly, or refused with its row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from matrep_core.formulas.reading import ReadingOptions, read_data
from matrep_core.formulas.storage import content_hash
from tests.test_reading import PROPERTIES, SHARED, amounts, loose, places, refused, said, values

# --- workbooks and Parquet ----------------------------------------------------------------------------------


def workbook(tmp_path: Path, sheets: Mapping[str, list[list[object]]], formats: Mapping[str, str] = {}) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for cells in rows:
            sheet.append(cells)
        for place, shown_as in formats.items():
            sheet[place].number_format = shown_as
    path = tmp_path / "book.xlsx"
    book.save(path)
    return path


LONG: list[list[object]] = [
    ["formula_id", "material", "amount"], ["F1", "0012", 40.5], ["F1", "NA", 59.5], ["F2", "1E5", 100]
]
MEASURED: list[list[object]] = [
    ["formula_id", "property", "value", "unit"], ["F1", "v", 1.234, "cP"], ["F2", "v", 5.678, "cP"]
]


def test_a_workbook_is_read_as_it_stores_its_cells(tmp_path: Path) -> None:
    sheets = {"Formulas": LONG, "Properties": MEASURED, "Notes": [["anything"]]}
    reading = read_data([workbook(tmp_path, sheets)])
    assert amounts(reading) == {"F1": {"0012": 40.5, "NA": 59.5}, "F2": {"1E5": 100.0}}
    assert values(reading, "v") == [1.234, 5.678]
    assert said(reading, "not read: Notes")


def test_whole_numbers_are_codes_in_a_workbook(tmp_path: Path) -> None:
    rows = [LONG[0], [101, 7, 40.0], [101, "NA", 60], ["101", 8.0, 0]]
    sheets = {"formulas": rows, "properties": [MEASURED[0], [101, "v", 3, "cP"]]}
    reading = read_data([workbook(tmp_path, sheets)])
    assert amounts(reading) == {"101": {"7": 40.0, "NA": 60.0}}
    assert said(reading, "whole numbers in formula_id were read as codes")


@pytest.mark.parametrize(
    ("cells", "shown_as", "words"),
    [
        (["F1", date(2024, 3, 1), 100], "", "date"),
        (["F1", True, 100], "", "true or false"),
        (["F1", 1.5, 100], "", "not certain"),
        (["F1", 123, 100], "00000", "not certain"),
        (["F1", 100000, 100], "0.00E+00", "not certain"),
        (["F1", "A", date(2024, 3, 1)], "", "date"),
        (["F1", "A", "100 g"], "", "more than a number"),
        (["F1", "A", "=50+50"], "", "never stored"),
        (["F1", "A", 1.0], "0%", "percentage"),
        (["F1", "#N/A", 100], "", "error"),
        (["F1", "A", None], "", "empty"),
        (["F1", None, 100], "", "empty"),
        (["F1", "A", 100, "more"], "", "4 cells"),
    ],
)  # fmt: skip
def test_a_cell_of_a_workbook_that_is_not_what_it_seems_is_refused(
    cells: list, shown_as: str, words: str, tmp_path: Path
) -> None:
    rows = [LONG[0], ["F0", "A", 100], cells]
    place = "B3" if isinstance(cells[1], (int, float)) else "C3"
    path = workbook(
        tmp_path,
        {"formulas": rows, "properties": [MEASURED[0], ["F0", "v", 1, "cP"]]},
        {place: shown_as} if shown_as else {},
    )
    error = refused(path)
    assert places(error) == [("book.xlsx, sheet formulas", 3)]
    assert words in str(error)


def test_merged_cells_are_refused_with_their_row(tmp_path: Path) -> None:
    path = workbook(tmp_path, {"formulas": LONG, "properties": MEASURED})
    book = openpyxl.load_workbook(path)
    book["formulas"].merge_cells("A2:A3")
    book.save(path)
    assert places(refused(path)) == [("book.xlsx, sheet formulas", 2)]


def test_a_wide_workbook_has_one_sheet_or_is_refused(tmp_path: Path) -> None:
    wide: list[list[object]] = [["id", "A", 1001, "v"], ["F1", 40, 60, 3.5], ["F2", None, 100, None]]
    reading = read_data([workbook(tmp_path, {"Sheet1": wide, "Sheet2": []})], ReadingOptions(property_columns=("v",)))
    assert amounts(reading) == {"F1": {"1001": 60.0, "A": 40.0}, "F2": {"1001": 100.0}}
    assert values(reading, "v") == [3.5]
    error = refused(workbook(tmp_path, {"Sheet1": wide, "Sheet2": wide}), property_columns=("v",))
    assert "several sheets" in str(error)


def test_a_code_that_became_a_date_in_a_header_is_refused(tmp_path: Path) -> None:
    wide: list[list[object]] = [["id", "A", date(2024, 3, 1), "v"], ["F1", 40, 60, 3.5]]
    assert places(
        refused(workbook(tmp_path, {"Sheet1": wide}), property_columns=("v",))
    ) == [("book.xlsx, sheet Sheet1", 1)]


def test_parquet_is_read_exactly(tmp_path: Path) -> None:
    target = tmp_path / "set"
    target.mkdir()
    pd.DataFrame({"formula_id": ["01", "01", "02"], "material": pd.Categorical(["NA", "B", "B"]),
                  "amount": [1 / 3, 100 - 1 / 3, 100]}).to_parquet(
        target / "formulas.parquet"
    )
    pd.DataFrame(
        {"formula_id": ["01", "02"], "property": "v", "value": [0.1 + 0.2, 5e-324], "unit": None, "rpm": [np.nan, 12]}
    ).to_parquet(
        target / "properties.parquet"
    )
    reading = read_data([target])
    assert amounts(reading) == {"01": {"NA": 1 / 3, "B": 100 - 1 / 3}, "02": {"B": 100.0}}
    assert values(reading, "v") == [0.1 + 0.2, 5e-324]
    assert reading.data.condition_columns == ("rpm",)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([1.5, 2.5], "not certain"), ([1.0, 2.0], "not certain"), ([True, False], "true or false"),
        (
            pd.to_datetime(["2024-01-01", "2024-01-02"]), "date"
        ), ([["a"], ["b"]], "neither text nor number"), ([b"a", b"b"], "type"),
    ],
)  # fmt: skip
def test_a_parquet_column_that_holds_no_codes_is_refused(column: object, words: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"formula_id": ["F1", "F2"], "amount": [100.0, 100.0]})
    frame["material"] = column
    frame.to_parquet(tmp_path / "a.parquet")
    (measured,) = loose(tmp_path, b=PROPERTIES)
    assert words.replace(
        "neither text nor number", "not text or number"
    ) in str(refused(tmp_path / "a.parquet", measured))


def test_every_kind_of_file_gives_the_same_set(tmp_path: Path) -> None:
    if not (SHARED / "shampoo").is_dir():
        pytest.skip("the real sets are not beside the project")
    expected = content_hash(read_data([SHARED / "shampoo"]).data)
    frames = {name: pd.read_csv(SHARED / "shampoo" / f"{name}.csv",
                                dtype=str if name == "materials" else {"formula_id": str},
                                keep_default_na=False)
              for name in ("formulas", "properties", "materials")}  # fmt: skip
    with pd.ExcelWriter(tmp_path / "shampoo.xlsx") as writer:
        for name, frame in frames.items():
            frame.to_excel(writer, sheet_name=name, index=False)
    for kind in ("tsv", "semicolon", "cp949", "utf-16", "parquet"):
        target = tmp_path / kind
        target.mkdir()
        for name, frame in frames.items():
            if kind == "parquet":
                frame.to_parquet(target / f"{name}.parquet")
            elif kind == "semicolon":
                frame.to_csv(target / f"{name}.csv", sep=";", decimal=",", index=False)
            elif kind == "tsv":
                frame.to_csv(target / f"{name}.tsv", sep="\t", index=False, encoding="utf-8-sig")
            else:
                frame.to_csv(target / f"{name}.txt", index=False, encoding=kind)
        assert content_hash(read_data([target]).data) == expected, kind
    assert content_hash(read_data([tmp_path / "shampoo.xlsx"]).data) == expected
    wide = frames["formulas"].pivot(
        index="formula_id", columns="material", values="amount"
    ).loc[frames["formulas"]["formula_id"].unique()]
    measured = frames["properties"].pivot(index="formula_id", columns="property", values="value").add_prefix("P: ")
    wide.join(measured).reset_index().to_csv(tmp_path / "wide.csv", index=False)
    reading = read_data([tmp_path / "wide.csv"], ReadingOptions(property_columns=tuple(measured.columns)))
    assert amounts(reading) == amounts(read_data([SHARED / "shampoo"]))
    assert len(reading.data.measurements) == len(frames["properties"])
