"""A table goes to a spreadsheet and comes back with its numbers, and with no cell that would run."""

from __future__ import annotations

import csv
import io

import pandas as pd

from matrep_core.views.export import spreadsheet_csv

DANGEROUS = {
    "=1+1": "'=1+1", "+A1": "'+A1", "-2+3": "'-2+3", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t'=1", "\r=1": "'\r'=1", "\n=1": "'\n'=1",
    '=HYPERLINK("http://example.org")': "'=HYPERLINK(\"http://example.org\")", "x;=1+1": "x;'=1+1", "＝1+1": "'＝1+1", "a\n@b": "a\n'@b",
}  # fmt: skip
HARMLESS = ["00123", "1E5", "PEG-8 *dist*", "a,b", 'say "x"', "글리세린", "2-Phenoxyethanol", "'quoted", ""]


def test_no_text_begins_a_formula_and_every_other_stays_as_it_is() -> None:
    table = pd.DataFrame({"material": [*DANGEROUS, *HARMLESS], "distance": [-1.5] * (len(DANGEROUS) + len(HARMLESS))})
    table["=header"] = "x"
    written = spreadsheet_csv(table)
    rows = list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["material", "distance", "'=header"]
    assert [row[0] for row in rows[1:]] == [*DANGEROUS.values(), *HARMLESS]
    assert {row[1] for row in rows[1:]} == {"-1.5"}


def test_bytes_are_utf8_that_a_spreadsheet_recognises() -> None:
    table = pd.DataFrame({"inci": ["글리세린", None], "low": [1.0, float("nan")]})
    assert spreadsheet_csv(table) == '\ufeff"inci","low"\n"글리세린",1.0\n"",""\n'.encode()
