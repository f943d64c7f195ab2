"""Files to formulas: read exactly, or refused with every row at fault. Nothing in between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matrep_core import limits
from matrep_core.errors import DataRefused, SettingRefused
from matrep_core.formulas.reading import Reading, ReadingOptions, read_data

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
FORMULAS = "formula_id,material,amount\nF1,A,40\nF1,B,60\nF2,A,100\n"
PROPERTIES = "formula_id,property,value,unit\nF1,viscosity,12.5,mPa.s\nF2,viscosity,900,mPa.s\n"


def folder(tmp_path: Path, **files: str | bytes) -> Path:
    """A data set's folder; ``formulas`` and ``properties`` stand in where a test does not give them."""
    target = tmp_path / "set"
    target.mkdir()
    for name, content in {"formulas": FORMULAS, "properties": PROPERTIES, **files}.items():
        (target / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return target


def loose(tmp_path: Path, **files: str | bytes) -> list[Path]:
    paths = []
    for name, content in files.items():
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
    return paths


def amounts(reading: Reading) -> dict[str, dict[str, float]]:
    return {name: dict(reading.data.formula(i)) for i, name in enumerate(reading.data.formula_ids)}


def values(reading: Reading, name: str) -> list[float]:
    frame = reading.data.measurements
    return frame.loc[frame["property"] == name, "value"].tolist()


def refused(*paths: Path, **options: object) -> DataRefused:
    with pytest.raises(DataRefused) as caught:
        read_data(paths, ReadingOptions(**options))
    return caught.value


def places(error: DataRefused) -> list[tuple[str, int | None]]:
    return [(fault.file, fault.row) for fault in error.faults]


def said(reading: Reading, words: str) -> bool:
    return any(words in sentence for sentence in reading.decisions)


# --- real sets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "nonzeros", "properties"),
    [
        ("shampoo", (822, 19), 4109, {"stable": "linear", "viscosity_100s": "log", "turbidity": "log"}),
        ("octane", (722, 423), 3937, {"MON": "linear"}),
        ("tablets", (1982, 182), 13262,
         {"hardness": "linear", "friability": "log", "disintegration_time": "log", "tablet_weight": "linear"}),
    ],
)  # fmt: skip
def test_a_real_set_is_read_as_pandas_reads_it(
    name: str, shape: tuple[int, int], nonzeros: int, properties: dict
) -> None:
    path = SHARED / name
    if not path.is_dir():
        pytest.skip("the real sets are not beside the project")
    reading = read_data([path], ReadingOptions(rescale=name == "octane"))
    data = reading.data
    assert (len(data.formula_ids), len(data.materials)) == shape == data.amounts.shape
    assert data.amounts.nnz == nonzeros
    assert {p.name: p.scale for p in data.properties} == properties
    raw = pd.read_csv(path / "formulas.csv", dtype={"formula_id": str, "material": str}, keep_default_na=False)
    raw["amount"] *= 100 / raw.groupby("formula_id")["amount"].transform("sum") if name == "octane" else 1
    wide = raw.pivot(index="formula_id", columns="material", values="amount").fillna(0)
    ours = pd.DataFrame(data.amounts.toarray(), data.formula_ids, data.materials)
    np.testing.assert_allclose(ours, wide.loc[ours.index, ours.columns], rtol=1e-9, atol=0)
    measured = pd.read_csv(path / "properties.csv", dtype={"formula_id": str}, keep_default_na=False)
    assert data.measurements["value"].tolist() == measured["value"].tolist()
    assert [data.formula_ids[f] for f in data.measurements["formula"]] == measured["formula_id"].tolist()
    assert any("SOURCE.md" in sentence for sentence in reading.decisions)


def test_the_octane_set_needs_a_decision_about_four_sums() -> None:
    if not (SHARED / "octane").is_dir():
        pytest.skip("the real sets are not beside the project")
    error = refused(SHARED / "octane")
    assert [fault.value for fault in error.faults] == ["99.3541", "99.2729", "99.1921", "99.434"]


# --- hostile but plausible tables: read exactly -------------------------------------------------------------

TAB = FORMULAS.replace(",", "\t")
COMMA_DECIMALS = "formula_id;material;amount\nF1;A;40,5\nF1;B;59,5\nF2;A;100\n"
EXACT = {
    "codes that look like numbers, booleans or nothing": (
        {"formulas": "formula_id,material,amount\n1,00123,10\n1,123,10\n1,1E5,10\n1,NA,10\n1,TRUE,10\n1,null,10\n"
         "1,nan,10\n1,1.0,10\n1,-5,10\n1,inf,10\n",
         "properties": "formula_id,property,value,unit\n1,pH,7,\n"},
        {"1": dict.fromkeys(["00123", "123", "1E5", "NA", "TRUE", "null", "nan", "1.0", "-5", "inf"], 10.0)},
    ),
    "formula ids with leading zeros": (
        {"formulas": "formula_id,material,amount\n007,A,100\n7,B,100\n",
         "properties": "formula_id,property,value,unit\n007,pH,7,\n7,pH,8,\n"},
        {"007": {"A": 100.0}, "7": {"B": 100.0}},
    ),
    "byte order mark": (
        {"formulas": b"\xef\xbb\xbf" + FORMULAS.encode()}, {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}}
    ),
    "UTF-16 with its mark": ({"formulas": TAB.encode("utf-16")}, {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}}),
    "CP949 with Korean names": (
        {"formulas": "formula_id,material,amount\nF1,정제수,40\nF1,글리세린,60\nF2,정제수,100\n".encode("cp949")},
        {"F1": {"정제수": 40.0, "글리세린": 60.0}, "F2": {"정제수": 100.0}},
    ),
    "decimal comma": ({"formulas": COMMA_DECIMALS}, {"F1": {"A": 40.5, "B": 59.5}, "F2": {"A": 100.0}}),
    "three decimals that the sums decide": (
        {"formulas": "formula_id;material;amount\nF1;A;40,125\nF1;B;59,875\nF2;A;100\n"},
        {"F1": {"A": 40.125, "B": 59.875}, "F2": {"A": 100.0}},
    ),
    "three decimals between commas": (
        {"formulas": "formula_id,material,amount\nF1,A,40.125\nF1,B,59.875\nF2,A,100\n"},
        {"F1": {"A": 40.125, "B": 59.875}, "F2": {"A": 100.0}},
    ),
    "a material with the delimiter in its name": (
        {"formulas": 'formula_id,material,amount\nF1,"1,2-Hexanediol",40\nF1,"say ""B""",60\nF2,A,100\n'},
        {"F1": {"1,2-Hexanediol": 40.0, 'say "B"': 60.0}, "F2": {"A": 100.0}},
    ),
    "a semicolon file whose names hold commas": (
        {"formulas": "formula_id;material;amount\nF1;1,2-Hexanediol;40\nF1;1,3-Butanediol;60\nF2;2,3-X;100\n"},
        {"F1": {"1,2-Hexanediol": 40.0, "1,3-Butanediol": 60.0}, "F2": {"2,3-X": 100.0}},
    ),
    "lines that end as on an old Mac": (
        {"formulas": FORMULAS.replace("\n", "\r")}, {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}},
    ),
    "blank rows and empty columns of a spreadsheet": (
        {"formulas": "formula_id,material,amount,,\nF1,A,40,,\n,,,,\nF1,B,60,,\n\nF2,A,100,,\n"},
        {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}},
    ),
    "capitals in the header": (
        {"formulas": FORMULAS.replace("formula_id,material,amount", "Formula ID,Material,Amount")},
        {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}},
    ),
    "columns in another order": (
        {"formulas": "amount,note,formula_id,material\n40,x,F1,A\n60,y,F1,B\n100,z,F2,A\n"},
        {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}},
    ),
    "scientific notation and signs": (
        {"formulas": "formula_id,material,amount\nF1,A,4.0E1\nF1,B,+6e+1\nF2,A,1.0e2\n"},
        {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}},
    ),
    "amounts of zero": (
        {"formulas": "formula_id,material,amount\nF1,A,40\nF1,B,60\nF1,C,0.00\nF2,A,100\n"},
        {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}},
    ),
    "blanks around every code": (
        {"formulas": "formula_id,material,amount\n F1 , A , 40 \n F1 , B , 60\nF2 ,\u00a0C,100\n"},
        {"F1": {"A": 40.0, "B": 60.0}, "F2": {"C": 100.0}},
    ),
    "names that a Markdown or a spreadsheet would change": (
        {"formulas": "formula_id,material,amount\nF1,PEG-8 *dist*,40\nF1,=1+1,60\nF2,<b>x</b>,100\n"},
        {"F1": {"PEG-8 *dist*": 40.0, "=1+1": 60.0}, "F2": {"<b>x</b>": 100.0}},
    ),
    "capitals tell materials apart": (
        {"formulas": "formula_id,material,amount\nF1,c1ccccc1,40\nF1,C1CCCCC1,60\nF2,A,100\n"},
        {"F1": {"c1ccccc1": 40.0, "C1CCCCC1": 60.0}, "F2": {"A": 100.0}},
    ),
    "a cell over two lines elsewhere": (
        {"formulas": 'formula_id,material,amount,note\nF1,A,40,"two\nlines"\nF1,B,60,\nF2,A,100,\n'},
        {"F1": {"A": 40.0, "B": 60.0}, "F2": {"A": 100.0}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_a_hostile_table_is_read_exactly(case: str, tmp_path: Path, figures) -> None:
    files, expected = EXACT[case]
    found = amounts(read_data([folder(tmp_path, **files)]))
    figures.add(hostile_tables_tried=1, silently_wrong=int(found != expected))
    assert found == expected


# --- hostile but plausible tables: refused with their rows --------------------------------------------------


def row(line: str) -> dict[str, str]:
    return {"formulas": FORMULAS + line + "\n"}


def value(text: str) -> dict[str, str]:
    return {"properties": PROPERTIES + f"F1,viscosity,{text},mPa.s\n"}


HEADER = "formula_id,material,amount\n"
REFUSED: dict[str, tuple[Mapping[str, str | bytes], list[tuple[str, int | None]], str]] = {
    "negative amount": (row("F3,A,-5\nF3,B,105"), [("formulas.csv", 5)], "negative"),
    "amount nan": (row("F3,A,nan"), [("formulas.csv", 5)], "not finite"),
    "amount inf": (row("F3,A,-inf"), [("formulas.csv", 5)], "not finite"),
    "amount beyond any number": (row("F3,A,1e400"), [("formulas.csv", 5)], "not finite"),
    "amount in words": (row("F3,A,q.s."), [("formulas.csv", 5)], "not a number"),
    "amount with underscore": (row("F3,A,1_00"), [("formulas.csv", 5)], "more than a number"),
    "amount in full-width digits": (row("F3,A,１００"), [("formulas.csv", 5)], "not a number"),
    "amount in hexadecimal": (row("F3,A,0x64"), [("formulas.csv", 5)], "more than a number"),
    "amount with a percent sign": (row("F3,A,100%"), [("formulas.csv", 5)], "percent"),
    "amount with its unit": (row("F3,A,100 g"), [("formulas.csv", 5)], "more than a number"),
    "amount empty": (row("F3,A,"), [("formulas.csv", 5)], "empty"),
    "material empty": (row("F3,,100"), [("formulas.csv", 5)], "material is empty"),
    "formula id empty": (row(",A,100"), [("formulas.csv", 5)], "formula id is empty"),
    "sum too low": (row("F3,A,99.4"), [("formulas.csv", 5)], "do not sum to 100"),
    "sum too high": (row("F3,A,60\nF3,B,40.6"), [("formulas.csv", 5)], "do not sum to 100"),
    "a material twice": (row("F3,A,50\nF3,A,50"), [("formulas.csv", 6)], "already (row 5)"),
    "a total under the table": (row("Total,A,100"), [("formulas.csv", 5)], "summary"),
    "a total without a material": (row("Total,,200"), [("formulas.csv", 5), ("formulas.csv", 5)], "empty"),
    "a shifted row": (row("F3,A"), [("formulas.csv", 5)], "2 cells"),
    "a row with a cell too many": (row("F3,A,1,5"), [("formulas.csv", 5)], "4 cells"),
    "a quote that never closes": (row('F3,"A,100'), [("formulas.csv", 5)], "quotes"),
    "thousands in an amount": (row('F3,A,"1,000.0"'), [("formulas.csv", 5)], "thousands"),
    "two decimal marks in one file": (
        {"formulas": "formula_id;material;amount\nF1;A;40.5\nF1;B;59.5\nF2;A;99,75\n"},
        [("formulas.csv", 4)], "decimal mark",
    ),
    "a blank for thousands": (value("12\u00a0500"), [("properties.csv", 4)], "thousands"),
    "a narrow blank for thousands": (value("12\u202f500"), [("properties.csv", 4)], "thousands"),
    "a limit for a value": (value("<5"), [("properties.csv", 4)], "limit"),
    "a value that was not measured": (value("n.d."), [("properties.csv", 4)], "not a number"),
    "a value NA": (value("NA"), [("properties.csv", 4)], "not a number"),
    "no value": (value(""), [("properties.csv", 4)], "empty"),
    "a value with its unit": (value("12.5 mPa.s"), [("properties.csv", 4)], "more than a number"),
    "values that are decimals or thousands": (
        {"properties": "formula_id;property;value;unit\nF1;v;1.234;cP\nF2;v;5.678;cP\n"},
        [("properties.csv", 2), ("properties.csv", 3)], "nothing in the file decides",
    ),
    "a comma that is a decimal or thousands": (
        {"properties": 'formula_id,property,value,unit\nF1,v,"1,234",cP\nF2,v,20,cP\n'},
        [("properties.csv", 2)], "nothing in the file decides",
    ),
    "amounts that are decimals or thousands, and sum to nothing": (
        {"formulas": "formula_id;material;amount\nF1;A;1,234\nF1;B;5,678\n",
         "properties": "formula_id,property,value,unit\nF1,v,1,cP\n"},
        [("formulas.csv", 2), ("formulas.csv", 3)], "nothing in the file decides",
    ),
    "an unknown formula": (
        {"properties": PROPERTIES + "F9,viscosity,3,mPa.s\nf1,viscosity,3,mPa.s\n"},
        [("properties.csv", 4), ("properties.csv", 5)], "no formula has this id",
    ),
    "two units of one property": (
        {"properties": PROPERTIES + "F1,viscosity,3,Pa.s\n"}, [("properties.csv", 4)], "has the unit 'mPa.s' elsewhere",
    ),
    "headers twice": (
        {"formulas": "formula_id,material,amount,amount\nF1,A,100,100\n"}, [("formulas.csv", 1)], "same name"
    ),
    "headers missing": ({"formulas": "formula_id,substance,amount\nF1,A,100\n"}, [("formulas.csv", 1)], "material"),
    "two columns that could be the amount": (
        {"formulas": "formula_id,material,amount,Amount\nF1,A,100,50\n"}, [("formulas.csv", 1)], "could both be amount",
    ),
    "no header": ({"formulas": "F1,A,40\nF1,B,60\n"}, [("formulas.csv", 1)], "missing"),
    "an index without a name": (
        {"formulas": ",formula_id,material,amount\n0,F1,A,100\n"}, [("formulas.csv", 1)], "values but no name",
    ),
    "a title above the table": (
        {"formulas": "Batch of March,,\nformula_id,material,amount\nF1,A,100\n"},
        [("formulas.csv", 1)] * 2, "values but no name",
    ),
    "an empty file": ({"formulas": ""}, [("formulas.csv", None)], "empty"),
    "a header alone": (
        {"formulas": HEADER, "properties": "formula_id,property,value,unit\n"}, [("set", None)], "no formula"
    ),
    "no measured value": ({"properties": "formula_id,property,value,unit\n"}, [("set", None)], "no measured value"),
    "NUL": (row("F3,A\x00,100"), [("formulas.csv", 5)], "control character"),
    "another control character": (row("F3,A\x1b[31m,100"), [("formulas.csv", 5)], "control character"),
    "a lost character": (row("F3,A\ufffd,100"), [("formulas.csv", 5)], "lost"),
    "a line break in a code": (row('F3,"A\nB",100'), [("formulas.csv", 5)], "line break"),
    "UTF-16 without its mark": (
        {"formulas": FORMULAS.encode("utf-16-le")}, [("formulas.csv", None)], "UTF-16 without its mark"
    ),
    "UTF-32": ({"formulas": FORMULAS.encode("utf-32")}, [("formulas.csv", None)], "UTF-32"),
    "Latin-1 with a micro sign": (
        {"formulas": (HEADER + "F1,µ-Wax 40 °C,100\n").encode("latin-1")}, [("formulas.csv", 2)], "--encoding"
    ),
    "Latin-1 with accents in pairs": (
        {"formulas": (HEADER + "F1,préétabli,100\n").encode("latin-1")}, [("formulas.csv", 2)], "--encoding"
    ),
    "Chinese in GBK": ({"formulas": (HEADER + "F1,甘油脂肪酸,100\n").encode("gbk")}, [("formulas.csv", 2)], "--encoding"),
    "Japanese in EUC": (
        {"formulas": (HEADER + "F1,グリセリン,100\n").encode("euc_jp")}, [("formulas.csv", 2)], "--encoding"
    ),
    "Japanese in Shift JIS": (
        {"formulas": (HEADER + "F1,グリセリン,100\n").encode("shift_jis")}, [("formulas.csv", 2)], "--encoding"
    ),
    "two codes that a blank tells apart": (
        {"formulas": HEADER + "F1,A,40\nF1,A ,60\nF2,A,100\n"},
        [("formulas.csv", 2), ("formulas.csv", 3), ("formulas.csv", 4)], "blanks around it",
    ),
    "two codes that composed accents tell apart": (
        {"formulas": HEADER + "F1,Soufr\u00e9,40\nF1,Soufre\u0301,60\nF2,B,100\n"},
        [("formulas.csv", 2), ("formulas.csv", 3)], "accents",
    ),
    "two codes that an invisible blank tells apart": (
        {"formulas": HEADER + "F1,Sodium chloride,40\nF1,Sodium\u00a0chloride,60\nF2,B,100\n"},
        [("formulas.csv", 3)], "looks the same",
    ),
    "two codes that a zero-width mark tells apart": (
        {"formulas": HEADER + "F1,Water,40\nF1,Wa\u200bter,60\nF2,B,100\n"}, [("formulas.csv", 3)], "looks the same",
    ),
    "a workbook named as text": ({"formulas": b"PK\x03\x04rest"}, [("formulas.csv", None)], "not text"),
    "materials twice": ({"materials": "material,inci\nA,x\nB,y\nA,x\n"}, [("materials.csv", 4)], "row 2 already"),
    "materials without codes": ({"materials": "inci\nx\n"}, [("materials.csv", 1)], "material"),
    "a condition with words in it": (
        {"properties": "formula_id,property,value,unit,temperature\nF1,v,1,cP,25\nF2,v,2,cP,ambient\nF2,v,3,cP,30\n"},
        [("properties.csv", 3)], "not a number",
    ),
    "a condition with its unit": (
        {"properties": "formula_id,property,value,unit,temperature\nF1,v,1,cP,25 °C\nF2,v,2,cP,30 °C\n"},
        [("properties.csv", 2), ("properties.csv", 3)], "more than a number",
    ),
    "a condition called value": (
        {"properties": "formula_id,property,value,unit,Formula\nF1,v,1,cP,3\n"},
        [("properties.csv", 1)], "could both be",
    ),
    "an unknown scale": (
        {"properties": "formula_id,property,value,unit,scale\nF1,v,1,cP,ln\nF2,v,2,cP,ln\n"},
        [("properties.csv", 2), ("properties.csv", 3)], "linear, sqrt, log",
    ),
    "a scale that its values forbid": (
        {"properties": "formula_id,property,value,unit,scale\nF1,v,0,cP,log\nF2,v,2,cP,log\n"},
        [("properties.csv", 2)], "scale log",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_table_is_refused_with_its_rows(case: str, tmp_path: Path, figures) -> None:
    files, expected, words = REFUSED[case]
    error = refused(folder(tmp_path, **files))
    figures.add(hostile_tables_tried=1, silently_wrong=0)
    assert places(error) == expected
    assert words in str(error)
    assert all(fault.problem and fault.mend for fault in error.faults)


def test_one_report_lists_every_fault_of_every_file(tmp_path: Path) -> None:
    error = refused(
        folder(
            tmp_path,
            formulas=FORMULAS + "F3,A,-1\nF4,A,50\nF5,,100\n",
            properties=PROPERTIES + "F9,viscosity,1,mPa.s\nF1,viscosity,x,mPa.s\n",
            materials="material,inci\nA,x\nA,y\n",
        )
    )
    assert sorted(places(error)) == [
        ("formulas.csv", 5), ("formulas.csv", 6), ("formulas.csv", 7),
        ("materials.csv", 3), ("properties.csv", 4), ("properties.csv", 5),
    ]  # fmt: skip


def test_a_flood_of_faults_is_counted_at_the_end(tmp_path: Path) -> None:
    rows = "".join(f"F{i},A,x\n" for i in range(limits.MAX_FAULTS_SHOWN + 50))
    error = refused(folder(tmp_path, formulas=HEADER + rows, properties=PROPERTIES.split("\n")[0] + "\n"))
    assert len(error.faults) == limits.MAX_FAULTS_SHOWN + 1
    assert "50 further places" in error.faults[-1].problem


# --- options ------------------------------------------------------------------------------------------------


def test_the_decimal_option_mends_an_ambiguous_file(tmp_path: Path) -> None:
    path = folder(tmp_path, properties="formula_id;property;value;unit\nF1;v;1.234;cP\nF2;v;5.678;cP\n")
    assert values(read_data([path], ReadingOptions(decimal="point")), "v") == [1.234, 5.678]
    assert "thousands" in str(refused(path, decimal="comma")) or "decimal mark" in str(refused(path, decimal="comma"))


def test_the_encoding_option_mends_a_latin_1_file(tmp_path: Path) -> None:
    path = folder(tmp_path, formulas=(HEADER + "F1,µ-Wax 40 °C,100\nF2,A,100\n").encode("latin-1"))
    assert "µ-Wax 40 °C" in read_data([path], ReadingOptions(encoding="latin-1")).data.materials


def test_duplicate_materials_are_summed_when_chosen(tmp_path: Path) -> None:
    path = folder(tmp_path, formulas=HEADER + "F1,A,30\nF1,B,60\nF1,A,10\nF2,A,100\n")
    reading = read_data([path], ReadingOptions(sum_duplicates=True))
    assert amounts(reading)["F1"] == {"A": 40.0, "B": 60.0}
    assert said(reading, "same formula: 1.")


def test_amounts_are_rescaled_when_chosen(tmp_path: Path) -> None:
    path = folder(tmp_path, formulas=HEADER + "F1,A,40\nF1,B,40\nF2,A,100\n")
    reading = read_data([path], ReadingOptions(rescale=True))
    assert amounts(reading)["F1"] == {"A": 50.0, "B": 50.0}
    assert said(reading, "rescaled to 100: 1; their sums were 80 to 80")


def test_amounts_are_completed_when_chosen(tmp_path: Path) -> None:
    path = folder(tmp_path, formulas=HEADER + "F1,A,40\nF1,Water,30\nF2,A,99.6\nF3,A,90\n")
    reading = read_data([path], ReadingOptions(complete_with="Water"))
    assert amounts(reading) == {"F1": {"A": 40.0, "Water": 60.0}, "F2": {"A": 99.6}, "F3": {"A": 90.0, "Water": 10.0}}
    assert said(reading, "completed to 100 with Water: 2; each got 10 to 30 weight-%")


def test_completing_never_lowers_amounts_nor_guesses_a_name(tmp_path: Path) -> None:
    path = folder(tmp_path, formulas=HEADER + "F1,A,101\nF2,Water,90\n")
    assert places(refused(path, complete_with="Water")) == [("formulas.csv", 2)]
    assert "Write it as Water" in str(refused(path, complete_with="water"))
    with pytest.raises(SettingRefused):
        read_data([path], ReadingOptions(complete_with="Water", rescale=True))


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "utf8"},
        {"delimiter": "|"},
        {"decimal": "dot"},
        {"property_columns": ("a",), "condition_columns": ("a [s]",)},
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_is_refused(options: dict, tmp_path: Path) -> None:
    with pytest.raises(SettingRefused):
        read_data([folder(tmp_path)], ReadingOptions(**options))


# --- properties, conditions, materials ----------------------------------------------------------------------


def test_further_numeric_columns_are_conditions_and_notes_are_not(tmp_path: Path) -> None:
    text = (
        "formula_id,property,value,unit,temperature,spindle,note,date\n"
        "F1,v,1,cP,25,63,warm,2024-01-05\nF2,v,2,cP,,63,,2024-01-06\nF2,pH,7,,,,cold,\n"
    )
    reading = read_data([folder(tmp_path, properties=text)])
    assert reading.data.condition_columns == ("temperature", "spindle")
    assert reading.data.measurements["temperature"].tolist()[0] == 25.0
    assert reading.data.measurements["temperature"].isna().tolist() == [False, True, True]
    assert said(reading, "columns without numbers not read: note, date")


def test_a_scale_column_decides_the_scale(tmp_path: Path) -> None:
    text = "formula_id,property,value,unit,scale\nF1,v,1,cP,sqrt\nF2,v,2000,cP,\n"
    reading = read_data([folder(tmp_path, properties=text)])
    assert reading.data.properties[0].scale == "sqrt"
    assert said(reading, "as the file says")


def test_descriptions_follow_the_materials(tmp_path: Path) -> None:
    text = "Material,INCI name,Function\nB,Aqua,solvent\nZ,unused,\n"
    reading = read_data([folder(tmp_path, materials=text)])
    assert reading.data.materials == ("A", "B")
    assert reading.data.material_info.to_dict("list") == {"inci": ["", "Aqua"], "function": ["", "solvent"]}
    assert said(reading, "occur in no formula: 1.") and said(reading, "no file describes, their columns stay empty: 1.")


def test_a_decomposed_code_finds_its_composed_self_in_another_file(tmp_path: Path) -> None:
    path = folder(
        tmp_path, formulas=HEADER + "F1,Soufr\u00e9,100\nF2,B,100\n", materials="material,inci\nSoufre\u0301,Sulfur\n"
    )
    reading = read_data([path])
    assert reading.data.material_info["inci"].tolist() == ["", "Sulfur"]
    assert said(reading, "accents composed (NFC)")
