"""Parquet tables of many amounts, read in parts: the same set, the rows of the file in every fault, nothing else so long."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from matrep_core import limits
from matrep_core.errors import DataRefused
from matrep_core.formulas.reading import read_data
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.storage import content_hash, write_csv_folder


def _parquet_set(folder: Path, data: FormulaSet, **columns: list) -> Path:
    write_csv_folder(data, folder)
    amounts = pd.read_csv(folder / "formulas.csv", dtype={"formula_id": str, "material": str}).assign(**columns)
    amounts.to_parquet(folder / "formulas.parquet", row_group_size=700)
    (folder / "formulas.csv").unlink()
    return folder


def test_a_parquet_table_of_more_rows_is_read_in_parts_as_the_same_set(
    small_cosmetics: FormulaSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_data([_parquet_set(tmp_path / "set", small_cosmetics)]).data
    rows = small_cosmetics.amounts.nnz
    monkeypatch.setattr(limits, "ROWS_A_BATCH", 400)
    monkeypatch.setattr(limits, "MAX_ROWS", rows - 1)
    with pytest.raises(DataRefused, match=f"{rows:,} rows"):
        read_data([tmp_path / "set"])
    found = read_data([tmp_path / "set"], most_rows=rows)
    assert content_hash(found.data) == content_hash(whole)
    assert sum("further rows" in decision for decision in found.decisions) >= rows // 400 > 3


def test_faults_in_later_parts_name_their_rows(small_cosmetics: FormulaSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    amounts = small_cosmetics.amounts.data.tolist()
    amounts[900], amounts[1501] = -1.0, float("nan")
    folder = _parquet_set(tmp_path / "set", small_cosmetics, amount=amounts)
    monkeypatch.setattr(limits, "ROWS_A_BATCH", 400)
    monkeypatch.setattr(limits, "MAX_ROWS", 1_000)
    with pytest.raises(DataRefused) as caught:
        read_data([folder], most_rows=10**6)
    assert {(fault.row, fault.column) for fault in caught.value.faults if fault.column == "amount"} == {(902, "amount"), (1503, "amount")}


def test_only_amounts_that_are_numbers_come_in_parts(small_cosmetics: FormulaSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [str(amount) for amount in small_cosmetics.amounts.data.tolist()]
    folder = _parquet_set(tmp_path / "set", small_cosmetics, amount=texts)
    monkeypatch.setattr(limits, "MAX_ROWS", 1_000)
    with pytest.raises(DataRefused, match="the amounts are texts"):
        read_data([folder], most_rows=10**6)
    monkeypatch.undo()
    measured = pd.read_csv(folder / "properties.csv", dtype={"formula_id": str})
    measured.to_parquet(tmp_path / "properties.parquet")
    monkeypatch.setattr(limits, "MAX_ROWS", len(measured) - 1)
    monkeypatch.setattr(limits, "ROWS_A_BATCH", 100)
    with pytest.raises(DataRefused, match="Only amounts"):
        read_data([tmp_path / "properties.parquet"], most_rows=10**6)
