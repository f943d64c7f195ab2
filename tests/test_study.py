"""Studies: the same runs for any number of workers, nothing trained twice, and a table that follows from the runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from threading import Event

import numpy as np
import pytest

from matrep_core.errors import SettingRefused
from matrep_core.runs.files import read_json
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.study import fit_many, in_words, plan, run_study, table
from matrep_core.training import prepare
from tests.conftest import PROJECT


def settings(**changes):
    return from_recipe("default", **{"property": "viscosity", "steps": 200, "hidden_width": 32, "frames": 8, **changes})


def jobs_in(folder, entries=(2, 5), seeds=(0, 1), **changes):
    return plan(folder, settings(**changes), entries, ["tanh"], seeds)


def test_one_and_several_workers_give_the_same_bits(small_cosmetics, tmp_path):
    made = {}
    for workers in (1, 2, 3):
        runs = [
            prepare(tmp_path / f"{workers}-{n}-{seed}", small_cosmetics, settings(n_entries=n, seed=seed, code_activation="sigmoid"))
            for n in (2, 17)
            for seed in (5, 6)
        ]
        statuses = fit_many(runs, workers)
        assert [s.state for s in statuses] == ["done"] * 4
        made[workers] = [
            (run.vectors().tobytes(), run.regressor().tobytes(), run.frames_packed()[0].tobytes(), run.scores()) for run in runs
        ]
    assert made[1] == made[2] == made[3]
    assert len({vectors for vectors, *_ in made[1]}) == 4


def test_the_limit_of_threads_holds_while_any_run_trains(small_cosmetics, tmp_path):
    from threadpoolctl import threadpool_info, threadpool_limits

    seen = []

    def look(run, status):
        seen.extend(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")

    with threadpool_limits(2, user_api="blas"):
        runs = [prepare(tmp_path / str(steps), small_cosmetics, settings(steps=steps)) for steps in (1, 50, 400)]
        fit_many(runs, 2, ended=look)
        assert {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"} <= {1, 2}
    assert seen and set(seen) == {1}


def test_what_is_done_is_not_repeated_and_a_study_extends(small_cosmetics, tmp_path):
    first = jobs_in(tmp_path)
    run_study(small_cosmetics, first)
    before = {job.path: (job.path / "model" / "manifest.json").stat().st_mtime_ns for job in first}
    more = jobs_in(tmp_path, entries=(2, 3, 5), seeds=(0, 1, 2))
    trained = []
    states = run_study(small_cosmetics, more, ended=lambda run, status: trained.append(run.id))
    assert [status.state for _, status in states] == ["done"] * 9
    assert len(trained) == 5 and not {job.path.name for job in first} & set(trained)
    assert {path: (path / "model" / "manifest.json").stat().st_mtime_ns for path in before} == before


def test_the_table_follows_from_the_runs(small_cosmetics, tmp_path):
    jobs = jobs_in(tmp_path, seeds=(0, 1, 2))
    run_study(small_cosmetics, jobs)
    rows = table(jobs)
    assert [(r["n_entries"], r["kept"], r["splits"]) for r in rows] == [(2, "best", 3), (2, "last", 3), (5, "best", 3), (5, "last", 3)]
    evals = [read_json(job.path / "scores.json")["eval"]["mae"] for job in jobs if job.settings.n_entries == 5]
    assert rows[2]["eval_mae"] == pytest.approx(np.mean(evals)) and rows[2]["eval_mae_sd"] == pytest.approx(np.std(evals, ddof=1))
    assert rows[3]["step"] >= rows[2]["step"]
    run = Run(jobs[0].path)
    frame = run.predictions()
    for part, chosen in (("full", frame), ("eval", frame[frame["part"] == "eval"]), ("train", frame[frame["part"] != "eval"])):
        assert run.scores()[part]["mae"] == pytest.approx((chosen["predicted"] - chosen["measured"]).abs().mean())
    assert "mPa·s" in in_words(rows, "viscosity", "mPa·s")
    assert table(plan(tmp_path, settings(), [2], ["tanh"], [0]))[0]["eval_mae_sd"] is None


def test_a_study_of_other_settings_or_data_is_refused(small_cosmetics, tmp_path):
    run_study(small_cosmetics, jobs_in(tmp_path, entries=(2,), seeds=(0,)))
    trained = []
    with pytest.raises(SettingRefused, match="trained with 200"):
        run_study(small_cosmetics, jobs_in(tmp_path, steps=300), ended=lambda run, status: trained.append(run))
    from matrep_core.formulas.cosmetics import generate_cosmetics

    other = generate_cosmetics(seed=4, formulas=100, materials=500).data
    with pytest.raises(SettingRefused, match="other data"):
        run_study(other, jobs_in(tmp_path), ended=lambda run, status: trained.append(run))
    assert not trained
    with pytest.raises(SettingRefused, match="relu"):
        plan(tmp_path, settings(), [2], ["relu"], [0])


def test_a_failing_run_stops_no_other(small_cosmetics, tmp_path):
    bad = prepare(tmp_path / "bad", small_cosmetics, settings())
    good = prepare(tmp_path / "good", small_cosmetics, settings())
    for file in (bad.path / "data").iterdir():
        file.write_bytes(b"")
    bad = Run(bad.path)
    statuses = fit_many([bad, good], 1)
    assert [s.state for s in statuses] == ["failed", "done"] and statuses[0].message


def test_a_stopped_study_starts_nothing_and_goes_on(small_cosmetics, tmp_path):
    jobs, stop = jobs_in(tmp_path), Event()
    states = run_study(small_cosmetics, jobs, 1, stop=stop, ended=lambda run, status: stop.set())
    assert sorted(status.state for _, status in states) == ["done", "stopped", "stopped", "stopped"]
    assert len(table(jobs)) == 2 and table(jobs)[0]["splits"] == 1
    assert {status.state for _, status in run_study(small_cosmetics, jobs)} == {"done"}


@pytest.fixture(scope="module")
def data_folder(small_cosmetics, tmp_path_factory):
    from matrep_core.formulas.storage import write_csv_folder

    folder = tmp_path_factory.mktemp("data") / "laboratory"
    write_csv_folder(small_cosmetics, folder)
    return folder


def command(data_folder, out, *more):
    words = ["study", data_folder, "--property", "viscosity", "--out", out, "--hidden-width", "32", "--frames", "8", *more]
    return [sys.executable, "-m", "matrep_core", *map(str, words)]


def test_the_command_prints_the_table(data_folder, tmp_path):
    words = command(data_folder, tmp_path / "study", "--entries", "2,4", "--splits", "2", "--steps", "100", "--activation", "tanh,sigmoid")
    done = subprocess.run([*words, "--json"], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["unit"] == "mPa·s" and not document["unfinished"] and len(document["rows"]) == 8
    assert len(list((tmp_path / "study" / "runs").iterdir())) == 8
    again = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0 and "[1]" not in again.stderr  # nothing trained
    assert f"{document['rows'][0]['eval_mae']:.4g}" in again.stdout
    refused = subprocess.run(command(data_folder, tmp_path / "x", "--entries", "2,four"), cwd=PROJECT, capture_output=True, text=True)
    assert refused.returncode == 1 and "entries" in refused.stderr and "Traceback" not in refused.stderr


def test_a_signal_stops_the_command_and_the_same_command_goes_on(data_folder, tmp_path):
    study = tmp_path / "study"
    words = command(data_folder, study, "--entries", "2", "--splits", "3", "--steps", "60000", "--validation-share", "0")
    started = subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not list(study.glob("runs/*/frames/index.jsonl")) and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(started.pid, signal.SIGTERM)
    output, errors = started.communicate(timeout=120)
    assert started.returncode == 0 and "Traceback" not in errors
    assert "The same command goes on" in output
    reached = {run.id: run.status().step for run in map(Run, study.glob("runs/*"))}
    assert all(run.status().state in ("stopped", "done") for run in map(Run, study.glob("runs/*")))
    again = subprocess.run([*words, "--json"], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0 and not json.loads(again.stdout)["unfinished"], again.stderr
    assert max(reached.values()) > 0
