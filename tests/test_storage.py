"""What is stored comes back exactly, and a folder that somebody changed is refused in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from matrep_core.errors import NotThere, RunBroken
from matrep_core.formulas.reading import ReadingOptions, read_data
from matrep_core.formulas.schema import FormulaSet, Property
from matrep_core.formulas.storage import (
    content_hash,
    dataset_decisions,
    delete_dataset,
    list_datasets,
    open_dataset,
    read_formula_set,
    save_dataset,
    write_csv_folder,
    write_formula_set,
)

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
NASTY = ["00123", "1E5", "=1+1", "NA", "PEG-8 *dist*", 'say "hi"; a;b,c', "<script>x</script>", "정제수", "🧪", "ا"]


def nasty_set() -> FormulaSet:
    """A set of hostile names and of numbers that are hard to write down."""
    materials = tuple(sorted(NASTY))
    count = len(materials)
    dense = np.zeros((3, count))
    dense[0] = 100 / count
    dense[1, :3] = [1 / 3, 5e-324, 100 - 1 / 3]
    dense[2, count - 1] = 100.0
    measurements = pd.DataFrame({
        "formula": np.array([0, 1, 1, 2], np.int64),
        "property": pd.array(["점도 v", "점도 v", "pH", "pH"], dtype="str"),
        "value": [1e-300, 0.1 + 0.2, -7.0, 12345678.9012345],
        "unit": pd.array(["mPa·s", "mPa·s", "", ""], dtype="str"),
        "temperature": [25.0, np.nan, np.nan, 1 / 7],
    })  # fmt: skip
    info = pd.DataFrame(
        {"inci": pd.array(["", *NASTY[1:]], dtype="str"), "function": pd.array([""] * count, dtype="str")}
    )
    properties = (Property("점도 v", "mPa·s", "sqrt"), Property("pH", "", "linear"))
    return FormulaSet("Satz <1>", ("007", "7", "NA"), materials, csr_array(dense), measurements, info, properties)


def assert_same(ours: FormulaSet, theirs: FormulaSet) -> None:
    assert (ours.name, ours.formula_ids, ours.materials, ours.properties) == (
        theirs.name, theirs.formula_ids, theirs.materials, theirs.properties,
    )  # fmt: skip
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(ours.amounts, part), getattr(theirs.amounts, part))
    pd.testing.assert_frame_equal(ours.measurements, theirs.measurements, check_exact=True)
    pd.testing.assert_frame_equal(ours.material_info, theirs.material_info)


def test_a_set_comes_back_exactly(tmp_path: Path) -> None:
    data = nasty_set()
    write_formula_set(data, tmp_path / "a" / "b")
    back = read_formula_set(tmp_path / "a" / "b")
    assert_same(back, data)
    assert content_hash(back) == content_hash(data)


def test_a_set_comes_back_from_csv_with_the_same_content(tmp_path: Path) -> None:
    data = nasty_set()
    write_csv_folder(data, tmp_path)
    back = read_data([tmp_path], ReadingOptions()).data
    assert_same(replace(back, name=data.name), replace(data, materials=back.materials))
    assert content_hash(back) == content_hash(data)


@pytest.mark.parametrize("name", ["shampoo", "octane", "tablets"])
def test_a_real_set_comes_back_in_both_ways(name: str, tmp_path: Path) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip("the real sets are not beside the project")
    data = read_data([SHARED / name], ReadingOptions(rescale=name == "octane")).data
    write_formula_set(data, tmp_path / "stored")
    assert_same(read_formula_set(tmp_path / "stored"), data)
    write_csv_folder(data, tmp_path / name)
    assert_same(read_data([tmp_path / name]).data, data)


def test_the_hash_tells_sets_apart_and_ignores_the_name() -> None:
    data = nasty_set()
    changed = data.amounts.copy()
    changed.data = changed.data.copy()
    changed.data[0] = np.nextafter(changed.data[0], 0)
    others = [
        replace(data, amounts=changed),
        replace(data, formula_ids=("7", "007", "NA")),
        replace(data, measurements=data.measurements.assign(unit="x")),
        replace(data, measurements=data.measurements.assign(temperature=np.nan)),
        replace(data, material_info=data.material_info.rename(columns={"inci": "smiles"})),
        replace(data, properties=(replace(data.properties[0], scale="log"), data.properties[1])),
        # The same letters, cut otherwise.
        replace(data, formula_ids=("00", "77", "NA")),
    ]
    hashes = {content_hash(each) for each in [data, *others]}
    assert len(hashes) == len(others) + 1
    assert content_hash(replace(data, name="other")) == content_hash(data)


# --- folders that somebody changed --------------------------------------------------------------------------


def rewritten(folder: Path, file: str, **columns: object) -> None:
    table = pq.read_table(folder / f"{file}.parquet")
    for name, values in columns.items():
        column = values if isinstance(values, pa.Array) else pa.array(values)
        at = table.column_names.index(name) if name in table.column_names else -1
        kept = table.slice(0, len(column)) if at >= 0 else table
        table = kept.set_column(at, name, column) if at >= 0 else kept.append_column(name, column)
    pq.write_table(table, folder / f"{file}.parquet")


I32 = pa.int32()
CHANGES = {
    "an amount of nan": ("amounts", {"amount": [float("nan")] * 14}, "not above 0"),
    "an infinite amount": ("amounts", {"amount": [float("inf")] * 14}, "not above 0"),
    "a negative amount": ("amounts", {"amount": [-1.0] * 14}, "not above 0"),
    "an amount of 1000": ("amounts", {"amount": [1000.0] * 14}, "not above 0"),
    "amounts as text": ("amounts", {"amount": ["1"] * 14}, "not double throughout"),
    "amounts that are missing": ("amounts", {"amount": pa.array([None] * 14, pa.float64())}, "not double throughout"),
    "a material beyond the list": ("amounts", {"material": pa.array([99] * 14, I32)}, "material that is not there"),
    "a material before the list": ("amounts", {"material": pa.array([-1] * 14, I32)}, "material that is not there"),
    "a formula beyond the list": ("amounts", {"formula": pa.array([3] * 14, I32)}, "formula that is not there"),
    "formulas without amounts": ("amounts", {"formula": pa.array([0] * 14, I32)}, "a formula has no amount"),
    "amounts that repeat": (
        "amounts", {"material": pa.array([1, 0, *range(2, 10), 0, 1, 2, 9], I32)}, "sorted or repeat"
    ),
    "whole numbers of another size": ("amounts", {"formula": [0] * 14}, "not int32 throughout"),
    "formula ids that repeat": ("formulas", {"formula_id": ["7", "7", "8"]}, "empty or repeat"),
    "an empty formula id": ("formulas", {"formula_id": ["7", "", "8"]}, "empty or repeat"),
    "formula ids as numbers": ("formulas", {"formula_id": [7, 8, 9]}, "not text throughout"),
    "materials out of order": ("materials", {"material": list("jabcdefghi")}, "not sorted"),
    "a column beside the materials of numbers": ("materials", {"density": [1.0] * 10}, "not text throughout"),
    "a value of nan": ("measurements", {"value": [float("nan")] * 4}, "not finite"),
    "a measurement of an unknown formula": ("measurements", {"formula": pa.array([5] * 4, I32)}, "not there"),
    "a measurement of an unknown property": ("measurements", {"property": ["x"] * 4}, "unknown property or unit"),
    "a measurement in another unit": ("measurements", {"unit": ["kg"] * 4}, "unknown property or unit"),
    "an infinite condition": ("measurements", {"temperature": [float("inf")] * 4}, "condition is not finite"),
    "a condition in words": ("measurements", {"spindle": ["63"] * 4}, "not double throughout"),
    "a condition named as a property": ("measurements", {"pH": [1.0] * 4}, "the name of a property"),
    "an unknown scale": ("properties", {"scale": ["ln", "linear"]}, "unknown scale"),
    "a property without a name": ("properties", {"property": ["", "pH"]}, "no name"),
    "a property twice": ("properties", {"property": ["pH", "pH"]}, "twice"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_folder_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    file, columns, words = CHANGES[case]
    write_formula_set(nasty_set(), tmp_path / "data")
    rewritten(tmp_path / "data", file, **columns)
    with pytest.raises(RunBroken, match=words) as caught:
        read_formula_set(tmp_path / "data")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["formulas", "materials", "amounts", "measurements", "properties"])
@pytest.mark.parametrize("how", ["missing", "empty", "cut", "a folder", "columns renamed", "not Parquet"])
def test_a_damaged_file_is_refused_in_one_sentence(file: str, how: str, tmp_path: Path) -> None:
    write_formula_set(nasty_set(), tmp_path / "data")
    path = tmp_path / "data" / f"{file}.parquet"
    content = path.read_bytes()
    if how == "columns renamed":
        table = pq.read_table(path)
        pq.write_table(table.rename_columns([name + "_" for name in table.column_names]), path)
    else:
        path.unlink()
        if how == "a folder":
            path.mkdir()
        elif how != "missing":
            path.write_bytes(
                {"empty": b"", "cut": content[: len(content) // 2], "not Parquet": b"formula_id\n7\n"}[how]
            )
    with pytest.raises(RunBroken) as caught:
        read_formula_set(tmp_path / "data")
    assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)


# --- data sets of the app -----------------------------------------------------------------------------------


def test_a_data_set_is_saved_listed_opened_and_deleted(tmp_path: Path) -> None:
    data = nasty_set()
    sentences = ("read with care.", "nothing left out.")
    saved = save_dataset(data, sentences, tmp_path)
    assert save_dataset(data, ("again",), tmp_path) == saved
    other = save_dataset(replace(data, name="점도"), (), tmp_path)
    assert {each.id for each in list_datasets(tmp_path)} == {saved, other}
    (listed,) = [each for each in list_datasets(tmp_path) if each.id == saved]
    assert (listed.name, listed.formulas, listed.materials) == ("Satz <1>", 3, 10)
    assert_same(open_dataset(tmp_path, saved), data)
    assert dataset_decisions(tmp_path, saved) == sentences
    delete_dataset(tmp_path, saved)
    assert [each.id for each in list_datasets(tmp_path)] == [other]
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == [other]


@pytest.mark.parametrize("dataset_id", ["", ".", "..", "../x", "a/b", "nothing", "A", "x\x00", "a" * 300, "-a", "*"])
def test_an_id_is_never_a_path(dataset_id: str, tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "x").mkdir()
    for action in (open_dataset, delete_dataset, dataset_decisions):
        with pytest.raises(NotThere):
            action(tmp_path, dataset_id)
    assert (tmp_path / "x").is_dir()


def test_what_is_no_data_set_is_not_listed(tmp_path: Path) -> None:
    assert list_datasets(tmp_path) == []
    (tmp_path / "datasets" / "half").mkdir(parents=True)
    (tmp_path / "datasets" / ".x-1.tmp").mkdir()
    (tmp_path / "datasets" / "file").write_text("x")
    assert list_datasets(tmp_path) == []
