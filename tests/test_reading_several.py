"""Wide tables and several files: read exactly, or refused with every row at fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from matrep_core.errors import DataRefused
from matrep_core.formulas.reading import ReadingOptions, read_data, wide_columns
from tests.test_reading import FORMULAS, HEADER, PROPERTIES, TAB, amounts, folder, loose, places, refused, said, values

# --- wide tables --------------------------------------------------------------------------------------------

WIDE = (
    "id;A;B;1,2-Hexanediol;viscosity [mPa·s];pH;temperature;note\n"
    "F1;40,5;59,5;;12,5;7;25;x\nF2;100;0;;900;;30;\nF3;;50;50;;5,5;20;\n"
)


def test_a_wide_table_is_read(tmp_path: Path) -> None:
    (path,) = loose(tmp_path, wide=WIDE)
    options = ReadingOptions(property_columns=("viscosity", "pH"), condition_columns=("temperature",))
    reading = read_data([path], options)
    assert amounts(reading) == {
        "F1": {"A": 40.5, "B": 59.5}, "F2": {"A": 100.0}, "F3": {"1,2-Hexanediol": 50.0, "B": 50.0}
    }
    assert [(p.name, p.unit) for p in reading.data.properties] == [("viscosity", "mPa·s"), ("pH", "")]
    assert reading.data.measurements.drop(columns="unit").to_numpy().tolist() == [
        [0, "viscosity", 12.5, 25.0], [0, "pH", 7.0, 25.0], [1, "viscosity", 900.0, 30.0], [2, "pH", 5.5, 20.0],
    ]  # fmt: skip
    assert said(reading, "columns of text not read: note")


def test_the_columns_of_wide_tables_can_be_chosen_from(tmp_path: Path) -> None:
    paths = loose(tmp_path, wide=WIDE, properties=PROPERTIES, broken='a,b\n"x,1\n')
    assert wide_columns(paths)[:3] == ["id", "A", "B"]
    assert wide_columns(paths[1:]) == []


@pytest.mark.parametrize(
    ("text", "options", "expected", "words"),
    [
        ("id,A,B,v\nF1,40,60,1\nF2,50,40,2\n", {}, [("wide.csv", 3)], "do not sum"),
        ("id,A,B,v\nF1,-1,101,1\n", {}, [("wide.csv", 2)], "negative"),
        ("id,A,B,v\nF1,40,60,1\nMean,50,50,1\n", {}, [("wide.csv", 3)], "summary"),
        ("id,A,B,v\nF1,40,60,1\nF1,50,50,1\n", {}, [("wide.csv", 3)], "other content"),
        ("id,A,A,v\nF1,40,60,1\n", {}, [("wide.csv", 1)], "same name"),
        ("id,A,B,v\nF1,40,60,NA\n", {}, [("wide.csv", 2)], "not a number"),
        ("id,A,B,w\nF1,40,60,1\n", {}, [("wide.csv", 1), ("wide.csv", 2)], "no column of this name"),
        ("id,A,B,v\nF1,40,60,1\n", {"property_columns": ()}, [("wide.csv", 2)], "name columns that are no materials"),
        ("id,A,B,v\nF1,40,60,1\n", {"formula_id_column": "code"}, [("wide.csv", 1)], "no column 'code'"),
        ("id,A,B,v,value\nF1,40,60,1,5\n", {"condition_columns": ("value",)}, [("wide.csv", 1)], "keeps for itself"),
        ("id,A,B,v\nF1,40%,60%,1\n", {}, [("wide.csv", 2), ("wide.csv", 2)], "percent"),
    ],
)  # fmt: skip
def test_a_wide_table_is_refused_with_its_rows(
    text: str, options: dict, expected: list, words: str, tmp_path: Path
) -> None:
    (path,) = loose(tmp_path, wide=text)
    error = refused(path, **{"property_columns": ("v",), **options})
    assert places(error) == expected
    assert words in str(error)


def test_an_identical_wide_row_is_kept_once_and_its_other_value_is_a_second_measurement(tmp_path: Path) -> None:
    (path,) = loose(tmp_path, wide="id,A,B,v,w\nF1,40,60,1,5\nF1,40,60,1,6\n")
    reading = read_data([path], ReadingOptions(property_columns=("v", "w")))
    assert amounts(reading) == {"F1": {"A": 40.0, "B": 60.0}}
    assert (values(reading, "v"), values(reading, "w")) == ([1.0], [5.0, 6.0])
    assert said(reading, "kept once")


# --- several files ------------------------------------------------------------------------------------------


def test_loose_files_are_recognised_by_their_headers(tmp_path: Path) -> None:
    paths = loose(tmp_path, b=PROPERTIES, a=FORMULAS, c="material,inci\nA,x\n")
    reading = read_data(paths)
    assert amounts(reading) == {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}}
    assert values(reading, "viscosity") == [12.5, 900.0]
    assert reading.data.material_info["inci"].tolist() == ["x", ""]


def test_a_formula_that_stands_in_two_files_with_the_same_content_is_kept_once(tmp_path: Path) -> None:
    again = HEADER + "F2,A,100\nF1,B,60\nF1,A,40.0\nF3,C,100\n"
    reading = read_data(loose(tmp_path, a=FORMULAS, b=again, c=PROPERTIES, d=PROPERTIES + "F2,viscosity,901,mPa.s\n"))
    assert amounts(reading) == {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}, "F3": {"C": 100.0}}
    assert values(reading, "viscosity") == [12.5, 900.0, 901.0]
    assert said(reading, "given again with the same content and kept once: 2.")
    assert said(reading, "identically by an earlier file or row and kept once: 2.")


def test_replicates_within_one_file_stay(tmp_path: Path) -> None:
    assert values(
        read_data([folder(tmp_path, properties=PROPERTIES + "F2,viscosity,900,mPa.s\n")]), "viscosity"
    ) == [12.5, 900.0, 900.0]


def test_a_formula_that_stands_in_two_files_with_other_content_is_refused_or_summed(tmp_path: Path) -> None:
    paths = loose(
        tmp_path, a=HEADER + "F1,A,40\nF1,B,20\n", b=HEADER + "F1,B,30\nF1,C,10\n", c=PROPERTIES.replace("F2", "F1")
    )
    error = refused(*paths)
    assert places(error) == [("b.csv", 2)] and "other content in a.csv, row 2" in str(error)
    reading = read_data(paths, ReadingOptions(sum_duplicates=True))
    assert amounts(reading) == {"F1": {"A": 40.0, "B": 50.0, "C": 10.0}}
    assert said(reading, "put together from several files or rows, amounts of the same material summed: 1.")


def test_several_folders_and_wide_tables_are_merged(tmp_path: Path) -> None:
    first = folder(tmp_path)
    (second,) = loose(tmp_path, wide="id,A,C,viscosity [mPa.s]\nF7,10,90,5\n")
    reading = read_data([first, second], ReadingOptions(property_columns=("viscosity",)))
    assert amounts(reading) == {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}, "F7": {"A": 10.0, "C": 90.0}}
    assert reading.data.name == "set + wide"


def test_files_that_contradict_each_other_about_a_material_are_refused(tmp_path: Path) -> None:
    paths = loose(tmp_path, a=FORMULAS, b=PROPERTIES, c="material,inci\nA,x\n", d="material,inci\nB,y\nA,z\n")
    assert places(refused(*paths)) == [("d.csv", 3)]


@pytest.mark.parametrize("case", ["nothing", "missing", "other kind", "no formulas", "two of one role"])
def test_what_is_not_a_data_set_is_refused(case: str, tmp_path: Path) -> None:
    path = folder(tmp_path)
    paths = [path]
    if case == "nothing":
        paths = []
    elif case == "missing":
        paths = [tmp_path / "elsewhere"]
    elif case == "other kind":
        paths = [tmp_path / "data.docx"]
        paths[0].write_bytes(b"x")
    elif case == "no formulas":
        (path / "formulas.csv").rename(path / "recipes.csv")
    else:
        (path / "formulas.tsv").write_text(TAB)
    assert len(refused(*paths).faults) == 1


def test_an_uploaded_file_goes_by_its_own_name_in_messages(tmp_path: Path) -> None:
    paths = loose(tmp_path, upload0=FORMULAS + "F3,A,1\n", upload1=PROPERTIES)
    with pytest.raises(DataRefused) as caught:
        read_data(paths, names={paths[0]: "März.csv", paths[1]: "werte.csv"})
    assert places(caught.value) == [("März.csv", 5)]
