"""Training for real: it learns, it resumes bit by bit after a kill, and what goes wrong is one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import matrep_core.training as training
from matrep_core.errors import RunBroken, RunBusy, SettingRefused, TrainingStopped
from matrep_core.formulas.storage import write_formula_set
from matrep_core.runs.checkpoint import latest_checkpoint
from matrep_core.runs.frames import frame_steps
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.model.engine import pace_of
from matrep_core.training import fit, prepare
from tests.conftest import PROJECT

TRAINER = """
import sys
from pathlib import Path
import matrep_core.training as training
from matrep_core.runs.store import Run
training.SECONDS_BETWEEN_CHECKPOINTS = 0.02
training.fit(Run(Path(sys.argv[1])))
"""
# Starts trainings from a process that has everything loaded, and kills each at a random moment.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import scipy.linalg.cython_blas
from threadpoolctl import threadpool_limits
import matrep_core.training as training, matrep_core.model.fast
from matrep_core.runs.store import Run
from matrep_core.runs.checkpoint import latest_checkpoint
threadpool_limits(1)
training.SECONDS_BETWEEN_CHECKPOINTS = 0.02
path, most, unreadable = Path(sys.argv[1]), int(sys.argv[2]), 0
random = random.Random(0)
for kills in range(most):
    child = os.fork()
    if not child:
        training.fit(Run(path))
        os._exit(0)
    time.sleep(random.uniform(0.02, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        run = Run(path)
        state = run.status().state
        latest_checkpoint(path), run.frames().packed(-1) if len(run.frames()) else None
    except Exception as error:
        unreadable += 1
        print(error, file=sys.stderr)
    if state == "done":
        break
print(kills + 1, unreadable)
"""


def settings(**changes):
    return from_recipe("default", **{"property": "viscosity", "steps": 400, "batch_size": 32, "frames": 20, "members": 2, **changes})


def outcome(run: Run) -> dict[str, np.ndarray]:
    """Everything a run holds at its end, clock aside."""
    frames = run.frames()
    state = latest_checkpoint(run.path)
    metrics = run.metrics().drop(columns="seconds")
    return {
        **{f"state {name}": tensor for name, tensor in state.tensors.items()},
        **{f"model {name}": tensor for name, tensor in run.kept_model()[0].items()},
        **{f"frame {step}": frames.vectors(i) for i, step in enumerate(frames.steps)},
        "metrics": metrics.to_numpy(float),
    }


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name], b[name], equal_nan=True), name


def test_it_learns_the_generated_truth(small_cosmetics, tmp_path):
    run = prepare(tmp_path / "run", small_cosmetics, settings(steps=800, members=0, validation_share=0.1))
    assert fit(run).state == "done"
    scores = run.scores()
    measured = run.predictions()
    train = measured[measured.part != "eval"].measured
    mean_error = (train - train.mean()).abs().mean()
    assert scores["train"]["mae"] < 0.6 * mean_error
    assert run.kept_step == run.status().best_step <= run.status().step <= 800
    assert run.metrics()["validation_mae"].notna().all()


def test_full_is_the_mean_over_both_parts(small_cosmetics, tmp_path):
    run = prepare(tmp_path / "run", small_cosmetics, settings(steps=50, members=0))
    fit(run)
    full, parts = run.scores()["full"], [run.scores()[p] for p in ("train", "eval")]
    weighted = sum(p["mae"] * p["measurements"] for p in parts) / full["measurements"]
    assert full["mae"] == pytest.approx(weighted)
    assert set(run.predictions().part) == {"train", "validation", "eval"}


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_two_trainings_are_equal_bit_by_bit(small_cosmetics, tmp_path, engine):
    ends = []
    for name in ("a", "b"):
        run = prepare(tmp_path / name, small_cosmetics, settings(steps=60))
        fit(run, engine=engine)
        ends.append(outcome(run))
    assert_same(*ends)


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_stopping_and_resuming_changes_nothing(small_cosmetics, tmp_path, engine, monkeypatch):
    monkeypatch.setattr(training, "SECONDS_BETWEEN_REPORTS", 0.0)
    whole, halting = (prepare(tmp_path / n, small_cosmetics, settings(steps=120)) for n in ("whole", "halting"))
    fit(whole, engine=engine)
    stops = 0
    while True:
        def halt(status, began=[]):
            began.append(status.step)
            if status.step > began[0] + 20 and status.state == "training":
                (halting.path / "stop").touch()

        status = fit(halting, engine=engine, report=lambda s, b=[]: halt(s, b))
        if status.state == "done":
            break
        stops += 1
        assert halting.vectors().shape == (600, 10)
    assert stops >= 2
    assert_same(outcome(whole), outcome(halting))


def test_a_killed_training_ends_as_the_uninterrupted_one(small_cosmetics, tmp_path):
    """SIGKILL at random moments: while the fold models train, between checkpoints, inside a commit."""
    chosen = settings(steps=3_000, hidden_width=64)
    whole, killed = (prepare(tmp_path / n, small_cosmetics, chosen) for n in ("whole", "killed"))
    fit(whole)
    most = 40
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(killed.path), str(most)], cwd=PROJECT, capture_output=True, text=True, timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    kills, unreadable = map(int, done.stdout.split())
    print(f"\nkills: {kills}, unreadable runs: {unreadable}")
    assert kills >= 3 and not unreadable, done.stderr
    if Run(killed.path).status().state != "done":
        fit(killed)
    assert_same(outcome(whole), outcome(Run(killed.path)))


def test_nan_stops_with_the_step_and_the_formulas(small_cosmetics, tmp_path):
    run = prepare(tmp_path / "run", small_cosmetics, settings(scale="raw", loss="squared", learning_rate=1.0, start=1.0, steps=50))
    train = np.flatnonzero(run.parts == "train")
    measurements = run.data.measurements.copy()
    hit = (measurements.property == "viscosity") & (measurements.formula == train[0])
    measurements.loc[hit, "value"] = 1e300  # finite, but not in float32
    run.__dict__["data"] = replace(run.data, measurements=measurements)
    with pytest.raises(TrainingStopped, match=r"step \d+.*formulas .*learning rate") as caught:
        fit(run)
    assert str(run.data.formula_ids[train[0]]) in str(caught.value)
    status = run.status()
    assert status.state == "failed" and "finite" in status.message
    assert latest_checkpoint(run.path) is None


def test_only_one_process_trains_a_run(small_cosmetics, tmp_path):
    run = prepare(tmp_path / "run", small_cosmetics, settings(steps=2_000_000))
    process = subprocess.Popen([sys.executable, "-c", TRAINER, str(run.path)], cwd=PROJECT, stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while run.status().state != "training" and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(RunBusy, match="another process"):
            fit(run)
    finally:
        process.kill()
        process.wait()
    assert run.status().state == "lost"


def test_a_damaged_checkpoint_is_told_and_not_used(small_cosmetics, tmp_path):
    run = prepare(tmp_path / "run", small_cosmetics, settings(steps=20))
    fit(run)
    (folder,) = run.path.glob("step-*")
    content = bytearray((folder / "state.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "state.safetensors").write_bytes(content)
    with pytest.raises(RunBroken, match="sha256"):
        latest_checkpoint(run.path)


def test_frames_are_log_spaced_from_the_start():
    steps = frame_steps(195_000, 96)
    assert steps[0] == 0 and steps[1] == 1 and steps[-1] == 195_000 and 64 <= len(steps) <= 96
    assert (np.diff(steps) > 0).all()
    ratios = steps[-20:] / steps[-21:-1]
    assert ratios.max() / ratios.min() < 1.02


def test_frames_keep_the_neighbours(small_cosmetics, tmp_path):
    from sklearn.neighbors import NearestNeighbors

    run = prepare(tmp_path / "run", small_cosmetics, settings(steps=300, n_entries=20, members=0, validation_share=0.0))
    fit(run)
    exact, kept = run.vectors(), run.frame(-1)
    np.testing.assert_allclose(kept, exact, atol=np.abs(exact).max() / 32767)
    near = [NearestNeighbors(n_neighbors=11).fit(v).kneighbors(v, return_distance=False)[:, 1:] for v in (exact, kept)]
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near, strict=True)])
    print(f"\nneighbours kept by int16 frames: {shared:.4f}")
    assert shared >= 0.99


def test_the_report_recipe_is_the_researchs_own():
    report = from_recipe("report", property="viscosity")
    assert (report.steps, report.batch_size, report.schedule, report.scale) == (195_000, 32, "constant", "raw")
    assert report.validation_share == 0 and report.patience == 1
    rate = pace_of(replace(report, steps=100))[2]
    assert (rate[1:] == report.learning_rate).all()


def test_one_cycle_rises_and_falls():
    chosen = settings(steps=1000)
    rate = pace_of(chosen)[2][1:]
    assert rate.max() == pytest.approx(chosen.learning_rate, rel=0.01)
    assert 90 <= rate.argmax() <= 110 and rate[-1] < 0.01 * chosen.learning_rate


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_entries": 0}, "n_entries = 0 .*from 1 to 256"),
        ({"n_entries": True}, "whole number"),
        ({"members": 1}, "members = 1 .*one fold"),
        ({"n_entries": 2.5}, "whole number"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": 1e309}, "learning_rate"),
        ({"code_activation": "relu"}, "tanh, sigmoid, identity"),
        ({"steps": 10_000_001}, "steps"),
        ({"train_share": "0.7"}, "train_share"),
        ({"split": "none"}, "random, unseen, graded, grouped"),
        ({"property": ""}, "property"),
        ({"conditions": ("pH", "pH")}, "once"),
        ({"colour": 1}, "no such setting"),
    ],
    ids=str,
)
def test_settings_out_of_bounds_are_refused(changes, sentence):
    with pytest.raises(SettingRefused, match=sentence):
        settings(**changes)


def test_what_does_not_fit_the_data_writes_nothing(small_cosmetics, tmp_path):
    few = small_cosmetics.measurements[small_cosmetics.measurements.property == "viscosity"].head(6)
    cases = [
        (replace(small_cosmetics, measurements=few), settings(), "only 6 formulas"),
        (small_cosmetics, settings(property="pH", scale="log", train_share=0.05, members=0, validation_share=0.01), "validation_share"),
        (small_cosmetics.__class__(**{**vars_of(small_cosmetics), "measurements": constant(small_cosmetics)}), settings(), "equal"),
    ]
    for data, chosen, sentence in cases:
        with pytest.raises(SettingRefused, match=sentence):
            prepare(tmp_path / "run", data, chosen)
    assert list(tmp_path.iterdir()) == []


def vars_of(data):
    return {f: getattr(data, f) for f in data.__dataclass_fields__}


def constant(data) -> pd.DataFrame:
    return data.measurements.assign(value=5.0)


def test_conditions_become_inputs(tmp_path, small_cosmetics):
    """A property that depends on nothing but its condition is learned through it."""
    random = np.random.default_rng(1)
    temperature = random.uniform(10, 40, 150)
    rows = pd.DataFrame({"formula": np.arange(150), "property": "flow", "value": 3 * temperature, "unit": "s", "temperature": temperature})
    from matrep_core.formulas.schema import Property

    data = replace(small_cosmetics, measurements=rows, properties=(Property("flow", "s", "linear"),))
    errors = {}
    for name, conditions in (("with", ("temperature",)), ("without", ())):
        run = prepare(tmp_path / name, data, settings(property="flow", conditions=conditions, steps=600))
        fit(run)
        errors[name] = run.scores()["eval"]["mae"]
    assert errors["with"] < 0.3 * errors["without"]


def test_the_run_is_whole_on_its_own(small_cosmetics, tmp_path):
    run = prepare(tmp_path / "run", small_cosmetics, settings(steps=10))
    fit(run)
    config = json.loads((run.path / "config.json").read_text())
    assert config["unit"] == "mPa·s" and config["settings"]["steps"] == 10
    fewer = replace(small_cosmetics, measurements=small_cosmetics.measurements.iloc[:-1])
    write_formula_set(fewer, Path(run.path) / "data")
    with pytest.raises(RunBroken, match="not the data"):
        _ = Run(run.path).data
