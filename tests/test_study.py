"""Studies: the same runs for any number of workers, nothing done twice, and tables that follow from the runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from matrep_core import study as studies
from matrep_core.errors import NotThere, RunBroken, RunBusy, SettingRefused
from matrep_core.evaluation import results
from matrep_core.evaluation.report import document_of, headline, in_words
from matrep_core.evaluation.results import ALONE, LAST, PREDICTOR, VECTORS, Study, best_baseline, best_model, list_studies, open_study, table
from matrep_core.runs.files import read_json, write_json
from matrep_core.runs.store import Run, open_run
from matrep_core.settings import from_recipe
from matrep_core.study import fit_many, make_study, plan_of, run_study
from matrep_core.training import prepare
from matrep_core.wording import measured
from tests.conftest import PROJECT

LONE = {"members": 0, "blend": "no"}
FEW = ("mean", "ridge", "kNN")  # baselines that take no time


def settings(**changes):
    return from_recipe("default", **{"property": "viscosity", "steps": 200, "hidden_width": 32, "frames": 8, **LONE, **changes})


def made(folder, data, entries=(2, 5), splits=2, baselines=(), **changes):
    return make_study(folder, data, plan_of(data, settings(**changes), entries, ["tanh"], splits, baselines))


def stamps(study):
    return {job.path.name: (job.path / "model" / "manifest.json").stat().st_mtime_ns for job, _ in study.done()}


def test_one_and_several_workers_give_the_same_bits(small_cosmetics, tmp_path):
    found = {}
    for workers in (1, 2, 3):
        runs = [
            prepare(tmp_path / f"{workers}-{n}-{seed}", small_cosmetics, settings(n_entries=n, seed=seed, code_activation="sigmoid"))
            for n in (2, 17)
            for seed in (5, 6)
        ]
        statuses = fit_many(runs, workers)
        assert [s.state for s in statuses] == ["done"] * 4
        found[workers] = [
            (run.vectors().tobytes(), run.regressor().tobytes(), run.frames_packed()[0].tobytes(), run.scores()) for run in runs
        ]
    assert found[1] == found[2] == found[3]
    assert len({vectors for vectors, *_ in found[1]}) == 4


def test_the_limit_of_threads_holds_while_any_run_trains(small_cosmetics, tmp_path):
    from threadpoolctl import threadpool_info, threadpool_limits

    seen = []

    def look(name, words):
        seen.extend(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")

    with threadpool_limits(2, user_api="blas"):
        run_study(made(tmp_path / "study", small_cosmetics, entries=(2,), splits=3, steps=50), ended=look)
        assert {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"} <= {1, 2}
    assert seen and set(seen) == {1}


def test_what_is_done_is_not_repeated_and_a_study_extends(small_cosmetics, tmp_path):
    first = made(tmp_path / "study", small_cosmetics)
    assert run_study(first) == {}
    before = stamps(first)
    more = made(tmp_path / "study", small_cosmetics, entries=(3,), splits=3)
    assert more.plan.entries == (2, 3, 5) and more.plan.splits == 3
    trained = []
    assert run_study(more, ended=lambda name, words: trained.append(name)) == {}
    assert len(before) == 4 and len(trained) == 5 and not before.keys() & set(trained)
    assert {name: stamp for name, stamp in stamps(more).items() if name in before} == before


def test_the_table_follows_from_the_runs(small_cosmetics, tmp_path):
    study = made(tmp_path / "study", small_cosmetics, splits=3)
    run_study(study)
    rows = table(study.errors())
    assert [(r.model, r.n_entries, r.splits) for r in rows.itertuples()] == [(ALONE, 2, 3), (LAST, 2, 3), (ALONE, 5, 3), (LAST, 5, 3)]
    runs = [Run(job.path) for job in study.jobs if job.settings.n_entries == 5]
    evals = [run.scores()["eval"]["mae"] for run in runs]
    best, last = rows.iloc[2], rows.iloc[3]
    assert best["eval"] == pytest.approx(np.mean(evals)) and best["eval_sd"] == pytest.approx(np.std(evals, ddof=1))
    assert last["step"] >= best["step"]
    frame = runs[0].predictions()
    for part, chosen in (("full", frame), ("eval", frame[frame["part"] == "eval"]), ("train", frame[frame["part"] != "eval"])):
        assert runs[0].scores()[part]["mae"] == pytest.approx((chosen["predicted"] - chosen["measured"]).abs().mean())
    document = document_of(study, {})
    assert "mPa·s" in in_words(document) and json.dumps(document, allow_nan=False)
    assert np.isnan(table(study.errors().query("seed == 0"))["eval_sd"]).all()
    # The research's Full is 0.7 · Train + 0.3 · Eval of its mean absolute errors.
    assert best["full"] == pytest.approx(0.7 * best["train"] + 0.3 * best["eval"], rel=1e-3)


def test_the_model_to_judge_is_chosen_by_validation_and_never_by_the_eval_error(small_cosmetics, tmp_path):
    study = made(tmp_path / "study", small_cosmetics)
    run_study(study)
    errors = study.errors()
    chosen = best_model(errors, 10)
    rows = table(errors).query("model == @ALONE").set_index("n_entries")
    assert chosen["n_entries"] == rows["validation"].idxmin()
    hidden = errors.assign(mae=errors["mae"].where(errors["part"] != "eval", -errors["mae"]))
    assert best_model(hidden, 10)["n_entries"] == chosen["n_entries"]
    assert best_model(errors.assign(validation=np.nan), 4)["n_entries"] == 5


@pytest.fixture(scope="module")
def whole(small_cosmetics, tmp_path_factory):
    """A study with fold models and every baseline, one N_entries, three splits."""
    folder = tmp_path_factory.mktemp("whole")
    study = made(folder / "study", small_cosmetics, entries=(4,), splits=3, baselines=FEW, members=2, steps=60)
    assert run_study(study) == {}
    return study


def test_baselines_stand_beside_the_model_on_the_same_splits(whole):
    errors = whole.errors()
    assert set(errors["model"]) == {PREDICTOR, VECTORS, ALONE, LAST, *FEW}
    rows = table(errors).set_index("model")
    assert (rows["splits"] == 3).all() and rows.loc["mean", "n_entries"] == 0
    assert rows.loc["ridge", "eval"] < rows.loc["mean", "eval"]
    for seed in range(3):
        parts = whole.parts(seed)
        assert (parts == Run(whole.path / "runs" / f"tanh-n4-s{seed}").parts).all()
    theirs = best_baseline(errors)
    sentence = headline(whole, errors)
    assert theirs["model"] in sentence and "3 splits" in sentence and "mPa·s" in sentence
    per_formula = whole.baseline_errors()
    mean = per_formula.query("model == 'mean' and seed == 1")["absolute_error"].mean()
    assert mean == pytest.approx(errors.query("model == 'mean' and seed == 1 and part == 'eval'")["mae"].iloc[0])


def test_two_studies_on_the_same_splits_are_compared(whole, small_cosmetics, tmp_path):
    other = made(tmp_path / "other", small_cosmetics, entries=(3,), splits=2, steps=30)
    assert run_study(other) == {}
    found = results.across(whole, whole.errors(), other, other.errors(), 10)
    ours, theirs = (table(s.errors()).query("model == @m").iloc[0] for s, m in ((whole, PREDICTOR), (other, ALONE)))
    assert found.splits == 2 and found.their_error == pytest.approx(theirs["eval"])
    assert ours["splits"] == 3 and "recipe default, N_entries 4" in found.ours
    grouped = made(tmp_path / "grouped", small_cosmetics, entries=(3,), splits=2, steps=30, split="grouped")
    assert run_study(grouped) == {}
    assert results.across(whole, whole.errors(), grouped, grouped.errors(), 10) is None


def test_baselines_are_not_fitted_again(whole):
    cached = {file: file.stat().st_ino for file in (whole.path / "cache").iterdir()}
    heard = []
    assert run_study(Study(whole.path), ended=lambda name, words: heard.append(name)) == {}
    assert not heard and {file: file.stat().st_ino for file in (whole.path / "cache").iterdir()} == cached
    assert len(cached) == 3 * len(FEW)


def test_every_split_gives_its_evaluated_measurements(whole):
    found = whole.predictions("tanh", 4)
    assert set(found["seed"]) == {0, 1, 2}
    for seed, part in found.groupby("seed"):
        run = Run(whole.path / "runs" / f"tanh-n4-s{seed}")
        assert part["absolute_error"].mean() == pytest.approx(run.scores()["eval"]["mae"])
    with pytest.raises(NotThere, match="N_entries 7"):
        whole.predictions("tanh", 7)


def test_progress_counts_and_estimates(whole, small_cosmetics, tmp_path):
    all_done = whole.progress()
    assert (all_done.done, all_done.total, all_done.seconds_left) == (3 + 3 * len(FEW), 3 + 3 * len(FEW), 0)
    plan = replace(whole.plan, splits=5)
    write_json(whole.path / "study.json", plan.to_json())
    try:
        more = Study(whole.path).progress()
        assert more.total == 5 + 5 * len(FEW) and more.done == all_done.done
        spent = [run.status().seconds for _, run in whole.done()]
        tuned = sum(each["seconds"] for each in whole.fitted().values())
        assert more.seconds_left == pytest.approx(2 * np.mean(spent) + 2 / 3 * tuned)
    finally:
        write_json(whole.path / "study.json", whole.plan.to_json())
    assert made(tmp_path / "new", small_cosmetics).progress().seconds_left is None


def test_a_study_of_other_settings_or_data_is_refused(small_cosmetics, tmp_path):
    study = made(tmp_path / "study", small_cosmetics, entries=(2,), splits=1)
    stored = (study.path / "study.json").read_bytes()
    with pytest.raises(SettingRefused, match="made with 200"):
        made(tmp_path / "study", small_cosmetics, steps=300)
    from matrep_core.formulas.cosmetics import generate_cosmetics

    with pytest.raises(SettingRefused, match="other data"):
        made(tmp_path / "study", generate_cosmetics(seed=4, formulas=100, materials=500).data)
    assert (study.path / "study.json").read_bytes() == stored
    with pytest.raises(SettingRefused, match="relu"):
        plan_of(small_cosmetics, settings(), [2], ["relu"], 1)
    with pytest.raises(SettingRefused, match="from 1 to 1000"):
        plan_of(small_cosmetics, settings(), [2], ["tanh"], 0)
    with pytest.raises(SettingRefused, match="lasso"):
        plan_of(small_cosmetics, settings(), [2], ["tanh"], 1, ["lasso"])
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("mine")
    with pytest.raises(SettingRefused, match="no study"):
        made(tmp_path / "taken", small_cosmetics)


def test_settings_that_do_not_fit_the_data_leave_nothing_behind(small_cosmetics, tmp_path):
    frame = small_cosmetics.measurements
    few = replace(small_cosmetics, measurements=frame[frame["formula"] < 8])
    constant = replace(small_cosmetics, measurements=frame.assign(value=5.0))
    for data, words in ((few, "only 8 formulas .* at least 10"), (constant, "all its training values are equal")):
        with pytest.raises(SettingRefused, match=words):
            made(tmp_path / "study", data)
    assert not list(tmp_path.iterdir())


def test_a_failing_run_stops_no_other(small_cosmetics, tmp_path):
    bad, good = (prepare(tmp_path / name, small_cosmetics, settings()) for name in ("bad", "good"))
    for file in (bad.path / "data").iterdir():
        file.write_bytes(b"")
    bad = Run(bad.path)
    statuses = fit_many([bad, good], 1)
    assert [s.state for s in statuses] == ["failed", "done"] and statuses[0].message


def test_a_stopped_study_starts_nothing_and_goes_on(small_cosmetics, tmp_path):
    study, stop = made(tmp_path / "study", small_cosmetics), Event()
    left = run_study(study, 1, stop=stop, ended=lambda name, words: stop.set())
    assert sorted(left.values()) == ["stopped"] * 3
    assert len(table(study.errors())) == 2
    assert run_study(study) == {} and len(study.done()) == 4


def test_a_damaged_study_is_named_and_hides_no_other(small_cosmetics, tmp_path):
    folder = results.studies_folder(tmp_path)
    made(folder / "whole", small_cosmetics, splits=1)
    made(folder / "torn", small_cosmetics, splits=1)
    stored = read_json(folder / "torn" / "study.json")
    write_json(folder / "torn" / "study.json", {**stored, "entries": "many"})
    found, broken = list_studies(tmp_path)
    assert [each.id for each in found] == ["whole"] and "torn" in broken[0]
    with pytest.raises(RunBroken, match="torn"):
        open_study(tmp_path, "torn")
    for wrong in ("../whole", "", "nobody", "whole/runs"):
        with pytest.raises(NotThere):
            open_study(tmp_path, wrong)


# In a process of its own ------------------------------------------------------------------------------------


def wait_for(found, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not come")


def test_a_detached_study_is_stopped_extended_killed_and_goes_on(small_cosmetics, tmp_path):
    endless = settings(steps=5_000_000, validation_share=0.0, hidden_width=16)
    study_id = studies.start(tmp_path, small_cosmetics, plan_of(small_cosmetics, endless, [2], ["tanh"], 1))
    study = open_study(tmp_path, study_id)
    (job,) = study.jobs
    wait_for(lambda: Run(job.path).status().step > 0)
    assert study.busy and study.state()[0] == "running"
    for forbidden in (studies.extend, studies.delete):
        with pytest.raises(RunBusy):
            forbidden(tmp_path, study_id)
    waiting = studies.start(tmp_path, small_cosmetics, plan_of(small_cosmetics, settings(steps=30), [2], ["tanh"], 1))
    time.sleep(1)
    assert open_study(tmp_path, waiting).state()[0] == "queued"

    studies.stop(tmp_path, study_id)
    wait_for(lambda: not study.busy)
    assert study.state()[0] == "stopped" and Run(job.path).status().state == "stopped"
    reached = Run(job.path).status().step
    wait_for(lambda: open_study(tmp_path, waiting).state()[0] == "done")  # its turn has come

    studies.extend(tmp_path, study_id)
    wait_for(lambda: Run(job.path).status().step > reached)
    (worker,) = [int(p) for p in os.listdir("/proc") if p.isdigit() and study_id in command_line(p)]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not study.busy)
    assert study.state()[0] == "lost" and "is kept" in study.state()[1]
    with pytest.raises(NotThere, match="not at work"):
        studies.stop(tmp_path, study_id)
    studies.delete(tmp_path, study_id)
    assert [each.id for each in list_studies(tmp_path)[0]] == [waiting]


def command_line(process: str) -> str:
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            return file.read().decode()
    except OSError:
        return ""


# The command ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data_folder(small_cosmetics, tmp_path_factory):
    from matrep_core.formulas.storage import write_csv_folder

    folder = tmp_path_factory.mktemp("data") / "laboratory"
    write_csv_folder(small_cosmetics, folder)
    return folder


def command(data_folder, out, *more):
    words = ["study", data_folder, "--property", "viscosity", "--out", out, "--hidden-width", "32", "--frames", "8", "--members", "0", *more]
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
    assert measured(document["rows"][0]["eval"]) in again.stdout
    refused = subprocess.run(command(data_folder, tmp_path / "x", "--entries", "2,four"), cwd=PROJECT, capture_output=True, text=True)
    assert refused.returncode == 1 and "entries" in refused.stderr and "Traceback" not in refused.stderr


def test_a_signal_stops_the_command_and_the_same_command_goes_on(data_folder, tmp_path):
    study = tmp_path / "study"
    words = command(data_folder, study, "--entries", "2", "--splits", "3", "--steps", "20000", "--validation-share", "0")
    started = subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(study.glob("runs/*/frames/index.jsonl")))
    os.kill(started.pid, signal.SIGTERM)
    output, errors = started.communicate(timeout=120)
    assert started.returncode == 0 and "Traceback" not in errors
    assert "The same command goes on" in output
    reached = {run.id: run.status().step for run in map(Run, study.glob("runs/*"))}
    assert max(reached.values()) > 0
    again = subprocess.run([*words, "--json"], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0 and not json.loads(again.stdout)["unfinished"], again.stderr


# Its runs, opened like any other ----------------------------------------------------------------------------


def test_a_run_of_a_study_opens_by_both_names(small_cosmetics, tmp_path):
    study = made(results.studies_folder(tmp_path) / "mine", small_cosmetics, entries=(2,), splits=1)
    run_study(study)
    run = open_run(tmp_path, "mine--tanh-n2-s0")
    assert run.id == "mine--tanh-n2-s0" and run.status().state == "done" and run.vectors().shape[1] == 2
    for wrong in ("mine--..", "mine--", "--tanh-n2-s0", "mine--nobody", "..--tanh-n2-s0", "mine/runs--tanh-n2-s0"):
        with pytest.raises(NotThere):
            open_run(tmp_path, wrong)
