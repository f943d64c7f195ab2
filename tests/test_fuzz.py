"""Every reader under random files: hypothesis changes good ones and makes up others.

A reader gives a result or raises a MatRepError with a sentence; anything else is a crash. The examples are the
same in every run (derandomised), so that a failure can be met again.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrep_core.errors import MatRepError
from matrep_core.formulas.reading import ReadingOptions, read_data, wide_columns
from matrep_core.formulas.storage import dataset_decisions, open_dataset, save_dataset
from matrep_core.formulas.tables import read_tables
from matrep_core.runs.archive import import_run
from matrep_core.runs.checkpoint import latest_checkpoint
from matrep_core.runs.store import Run, list_runs, runs_folder
from tests.attacks.kit import SAMPLE

FORMULAS = b"formula_id,material,amount,note\nF1,A,40.5,\nF1,00123,59.5,x\nF2,A,100,\n"
PROPERTIES = b"formula_id,property,value,unit,temperature\nF1,viscosity,12.5,mPa.s,25\nF2,viscosity,900,mPa.s,30\n"


def fuzzed(examples: int) -> Callable:
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=quiet)


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """``whole`` with up to four of: bytes replaced, put in, taken out, doubled, cut."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(["replace", "insert", "remove", "double", "cut"])):
            case "replace":
                new = draw(st.binary(min_size=1, max_size=8))
                content[place : place + len(new)] = new
            case "insert":
                content[place:place] = draw(st.one_of(st.binary(max_size=20), st.sampled_from(TOKENS)))
            case "remove":
                del content[place : place + length]
            case "double":
                content[place:place] = content[place : place + length]
            case "cut":
                del content[place:]
    return bytes(content)


TOKENS = [
    b'"', b'""', b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"1e999", b"NaN",
    b"-0", b"1,234.5", b"{}", b"[]", b"null", b"\\ud800", b"9" * 400, b"[" * 3000, "°µ℃정제수".encode(), b"'", b"=1+1", b"<5", b"%",
]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8,
)  # fmt: skip


def survive(read: Callable[[], object], figures, root: Path) -> None:
    """Count one case; let nothing through but a result or a sentence without the insides of the program."""
    figures.add(fuzz_cases_tried=1, crashes_without_a_clear_message=0)
    try:
        read()
    except MatRepError as error:
        said = str(error)
        assert said and "Traceback" not in said and str(root) not in said, said
    except Exception:
        figures.add(fuzz_cases_tried=0, crashes_without_a_clear_message=1)
        raise


# --- tables -------------------------------------------------------------------------------------------------


def read_folder(folder: Path, formulas: bytes, properties: bytes, options: ReadingOptions = ReadingOptions()) -> None:
    (folder / "formulas.csv").write_bytes(formulas)
    (folder / "properties.csv").write_bytes(properties)
    read_data([folder], options)


@fuzzed(700)
@given(formulas=mutated(FORMULAS), properties=mutated(PROPERTIES))
def test_mutated_tables(tmp_path: Path, figures, formulas: bytes, properties: bytes) -> None:
    survive(lambda: read_folder(tmp_path, formulas, properties), figures, tmp_path)


@fuzzed(300)
@given(
    cells=st.lists(st.lists(st.text(max_size=6), min_size=3, max_size=3), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t"]), encoding=st.sampled_from(["utf-8", "utf-16", "cp949", "latin-1"]),
    options=st.builds(
        ReadingOptions, encoding=st.sampled_from(["auto", "utf-8", "utf-16", "cp949", "cp1252", "latin-1"]),
        decimal=st.sampled_from(["auto", "point", "comma"]), sum_duplicates=st.booleans(), rescale=st.booleans(),
    ),
)  # fmt: skip
def test_made_up_tables(tmp_path: Path, figures, cells: list, delimiter: str, encoding: str, options: ReadingOptions) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["formula_id", "material", "amount"], *cells])
    formulas = text.getvalue().encode(encoding, "replace")
    survive(lambda: read_folder(tmp_path, formulas, PROPERTIES, options), figures, tmp_path)


@fuzzed(200)
@given(content=st.binary(max_size=300), suffix=st.sampled_from([".csv", ".tsv", ".txt", ".parquet"]))
def test_bytes_under_every_ending(tmp_path: Path, figures, content: bytes, suffix: str) -> None:
    path = tmp_path / f"formulas{suffix}"
    path.write_bytes(content)
    survive(lambda: (read_tables(path, path.name), wide_columns([path])), figures, tmp_path)


@fuzzed(150)
@given(header=st.lists(st.text(max_size=12), min_size=1, max_size=6), values=st.lists(st.text(max_size=6), min_size=6, max_size=6))
def test_made_up_wide_tables(tmp_path: Path, figures, header: list[str], values: list[str]) -> None:
    path = tmp_path / "wide.csv"
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([header, values[: len(header)]])
    options = ReadingOptions(property_columns=(header[-1],))
    survive(lambda: read_data([path], options), figures, tmp_path)


def workbook_bytes() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "formulas"
    for row in csv.reader(io.StringIO(FORMULAS.decode())):
        book.active.append(row)
    sheet = book.create_sheet("properties")
    for row in csv.reader(io.StringIO(PROPERTIES.decode())):
        sheet.append([float(cell) if cell.replace(".", "").isdigit() else cell for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def parts() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(workbook_bytes())) as book:
        return {name: book.read(name) for name in book.namelist()}


PART_NAMES = ("xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml", "xl/styles.xml", "xl/workbook.xml", "[Content_Types].xml")


@fuzzed(25)
@given(data=st.data())
def test_mutated_workbooks(tmp_path: Path, figures, parts: dict[str, bytes], data: st.DataObject) -> None:
    """Few cases: each starts a process. The parts are changed inside the zip, so that its check sums fit."""
    changed = data.draw(st.sampled_from([name for name in PART_NAMES if name in parts]))
    content = data.draw(mutated(parts[changed]))
    path = tmp_path / "book.xlsx"
    with zipfile.ZipFile(path, "w") as book:
        for name, part in parts.items():
            book.writestr(name, content if name == changed else part)
    survive(lambda: read_data([path]), figures, tmp_path)


@fuzzed(150)
@given(data=st.data())
def test_mutated_parquet(tmp_path: Path, figures, data: st.DataObject) -> None:
    path = tmp_path / "formulas.parquet"
    pq.write_table(pa.table({"formula_id": ["F1", "F1", "F2"], "material": ["A", "B", "A"], "amount": [40.0, 60, 100]}), path)
    path.write_bytes(data.draw(mutated(path.read_bytes())))
    (tmp_path / "properties.csv").write_bytes(PROPERTIES)
    survive(lambda: read_data([tmp_path]), figures, tmp_path)


# --- folders of the app -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    with zipfile.ZipFile(SAMPLE) as sample:
        return {name.removeprefix("sample/"): sample.read(name) for name in sample.namelist()}


@pytest.fixture(scope="module")
def store(tmp_path_factory, members: dict[str, bytes]) -> Path:
    """Artifacts with the sample run and its data set; every test puts back what it changed."""
    root = tmp_path_factory.mktemp("artifacts")
    import_run(SAMPLE, root)
    save_dataset(Run(runs_folder(root) / "sample").data, ["read."], root)
    return root


def look(root: Path) -> None:
    """Everything that pages ask of a run."""
    list_runs(root)
    run = Run(runs_folder(root) / "sample")
    run.status(), run.metrics(), run.support, latest_checkpoint(run.path)
    frames = run.frames()
    for number in range(len(frames)):
        frames.vectors(number)
    run.frames_packed(), run.vectors(), run.regressor(), run.scores(), run.mean_predictor(), run.predictions(), run.members()


JSON_FILES = ("config.json", "status.json", "split.json", "scores.json", "model/manifest.json", "step-000000060/manifest.json")
LINES = ("metrics.jsonl", "frames/index.jsonl")
BYTES = ("frames/vectors.bin", "model/state.safetensors", "step-000000060/state.safetensors")


def with_changed(store: Path, members: dict[str, bytes], figures, name: str, content: bytes) -> None:
    path = runs_folder(store) / "sample" / name
    path.write_bytes(content)
    try:
        survive(lambda: look(store), figures, store)
    finally:
        path.write_bytes(members[name])


@fuzzed(250)
@given(data=st.data())
def test_mutated_files_of_a_run(store: Path, figures, members: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(JSON_FILES + LINES + BYTES))
    with_changed(store, members, figures, name, data.draw(mutated(members[name])))


@fuzzed(250)
@given(data=st.data())
def test_json_of_a_run_with_other_values(store: Path, figures, members: dict[str, bytes], data: st.DataObject) -> None:
    """Right JSON with wrong values: a value of any kind where another was."""
    name = data.draw(st.sampled_from(JSON_FILES[:4]))
    record = json.loads(members[name])
    inner = record["settings"] if name == "config.json" and data.draw(st.booleans()) else record
    inner[data.draw(st.sampled_from(sorted(inner)) | st.text(max_size=5))] = data.draw(json_values)
    with_changed(store, members, figures, name, json.dumps(record).encode())


@fuzzed(100)
@given(data=st.data())
def test_mutated_archives(tmp_path: Path, figures, data: st.DataObject) -> None:
    path = tmp_path / "run.zip"
    path.write_bytes(data.draw(mutated(SAMPLE.read_bytes())))
    survive(lambda: import_run(path, tmp_path / "artifacts"), figures, tmp_path)
    shutil.rmtree(tmp_path / "artifacts", ignore_errors=True)


@fuzzed(100)
@given(data=st.data())
def test_mutated_data_sets(store: Path, figures, data: st.DataObject) -> None:
    (folder,) = (store / "datasets").iterdir()
    path = folder / data.draw(st.sampled_from(sorted(file.name for file in folder.iterdir())))
    whole = path.read_bytes()
    path.write_bytes(data.draw(mutated(whole)))
    try:
        survive(lambda: (open_dataset(store, folder.name), dataset_decisions(store, folder.name)), figures, store)
    finally:
        path.write_bytes(whole)


def test_the_good_files_are_read(tmp_path: Path, store: Path, parts: dict[str, bytes]) -> None:
    """The files that the others are made from are good ones: otherwise every case would end at the first check."""
    read_folder(tmp_path, FORMULAS, PROPERTIES)
    (tmp_path / "book.xlsx").write_bytes(workbook_bytes())
    assert read_data([tmp_path / "book.xlsx"]).data.amounts.nnz == 3
    assert set(PART_NAMES) <= parts.keys()
    look(store)
    assert np.isfinite(Run(runs_folder(store) / "sample").vectors()).all()
