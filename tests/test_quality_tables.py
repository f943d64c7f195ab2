"""The commands that make the tables of docs/QUALITY.md, at tiny sizes: every row, and the document between its marks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT


def printed(artifacts, *words):
    command = [sys.executable, "-m", "benchmarks", *map(str, words)]
    environment = {**os.environ, "MATREP_ARTIFACTS": str(artifacts)}
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_two_tables_of_the_generated_set_come_from_one_command(tmp_path):
    text = printed(tmp_path, "tables", "--quick", "--splits", "2")
    default, report = text.split("Recipe report.")
    for words in ("default predictor", "single model, best step", "ridge", "least, lower quartile, median"):
        assert words in default
    assert "single model, last step" in report and "default predictor" not in report
    assert {path.name for path in (tmp_path / "studies").iterdir()} == {"generated-default", "generated-report"}


def test_the_goals_table_is_written_between_the_marks(tmp_path):
    pytest.importorskip("bofire", reason="the octane numbers ship with the optional package bofire")
    document = tmp_path / "QUALITY.md"
    document.write_text("before <!-- quality table -->old<!-- quality table --> after", encoding="utf-8")
    text = printed(tmp_path, "quality", "--quick", "--splits", "2", "--document", document)
    written = document.read_text(encoding="utf-8")
    assert written.startswith("before <!-- quality table -->") and written.endswith("<!-- quality table --> after") and "old" not in written
    rows = [line for line in written.splitlines() if "| MON, " in line]
    assert len(rows) == 2 and all(line in text for line in rows)
    assert "RMSE" in rows[0] and "MAE" in rows[1] and all(len(line.split("|")) == 10 for line in rows)
    assert "| 80 % |" in written and "| 95 % |" in written
