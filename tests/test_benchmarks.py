"""The benchmarks run and print their tables; how fast anything is stays out of the tests."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.browser.serving import chromium_path
from tests.conftest import PROJECT


def printed(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=PROJECT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_of_the_engine_has_every_part():
    lines = printed("engine", "--quick").splitlines()
    assert {line[0] for line in lines if line[1:4] == "   "} == set("abcdef")
    assert all("≥" in line for line in lines if line.startswith("a "))
    assert any("neighbours kept" in line and "int8" in line and "int16" in line for line in lines)


def test_the_table_of_the_recipe_compares_with_the_default():
    lines = printed("recipe", "--quick", "--seeds", "2").splitlines()
    assert "mPa·s" in lines[0]
    assert [line.split("×")[1].split("±")[0].strip() for line in lines[1:] if " default " in line] == ["1.000"]
    assert any("huber" in line for line in lines)


def test_the_table_of_the_viewer_has_both_ways():
    if chromium_path() is None:
        pytest.skip("no Chromium: install it, or name it in the variable CHROMIUM")
    lines = printed("viewer", "--quick").splitlines()
    assert any(line.strip().startswith("viewer") and " 0 messages" in line for line in lines)
    assert any(line.strip().startswith("slider") and "× the time" in line for line in lines)
    assert any("bytes received" in line for line in lines)


def test_the_dense_loop_is_the_engines_model(small_cosmetics, tmp_path):
    """The same weights give the same predictions: the two sides of the comparison compute the same thing."""
    import torch

    from benchmarks.dense_loop import DenseLoop
    from benchmarks.engine import dense, prepared
    from matrep_core.settings import from_recipe
    from matrep_core.model.engine import build_engine

    run, problem = prepared(small_cosmetics, from_recipe("default", property="viscosity", start=0.5, steps=50), str(tmp_path))
    engine = build_engine("reference", problem, run.settings)
    rows = problem.rows("eval")
    x = dense(small_cosmetics, problem, rows)
    loop = DenseLoop(x, torch.from_numpy(problem.targets[rows]), run.settings.n_entries)
    with torch.no_grad():
        for mine, its in zip(loop.model.parameters(), engine.model.parameters(), strict=True):
            mine.copy_(its)
    np.testing.assert_allclose(loop.predict(x).numpy(), engine.predict(rows), atol=1e-5)
