"""The command line as a user's shell sees it: exit status, one JSON document, one message."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from matrep_core.runs.store import Run
from tests.conftest import PROJECT

QUICK = ["--steps", "150", "--hidden-width", "32", "--frames", "8"]


def matrep(*words, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, "-m", "matrep_core", *map(str, words)], cwd=PROJECT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def matrep_json(*words):
    return json.loads(matrep(*words, "--json").stdout)


@pytest.fixture(scope="module")
def data_folder(small_cosmetics, tmp_path_factory):
    from matrep_core.formulas.storage import write_csv_folder

    folder = tmp_path_factory.mktemp("data") / "laboratory"
    write_csv_folder(small_cosmetics, folder)
    return folder


@pytest.fixture(scope="module")
def trained(data_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    document = matrep_json("train", data_folder, "--property", "viscosity", "--out", folder, *QUICK)
    return folder, document


def test_check_counts(data_folder, small_cosmetics):
    facts = matrep_json("check", data_folder)
    assert facts["formulas"] == 150 and facts["materials"] == 600
    assert facts["nonzeros"] == small_cosmetics.amounts.nnz
    assert sorted(p["name"] for p in facts["properties"]) == sorted(p.name for p in small_cosmetics.properties)
    assert {p["name"]: p["unit"] for p in facts["properties"]}["viscosity"] == "mPa·s"


def test_train_reports_every_part(trained):
    folder, document = trained
    assert document["run"] == str(folder) and document["steps"] >= document["best_step"] >= 0
    assert document["unit"] == "mPa·s"
    for part in ("full", "eval", "train"):
        assert {"mae", "rmse", "r2", "log10_rmse"} <= document[part].keys()
        assert document[part]["rmse"] >= document[part]["mae"] > 0
    assert document["mean_predictor"]["mae"] > 0 and document["last"].keys() == {"full", "eval", "train"}
    assert document["full"]["measurements"] == document["eval"]["measurements"] + document["train"]["measurements"]


def test_neighbours_are_those_of_the_core_with_their_evidence(trained):
    from matrep_core.similarity.evidence import EVIDENCE, similarity_of

    folder, _ = trained
    run = Run(folder)
    query = int(np.argmax(run.support))
    code = run.data.materials[query]
    similarity = similarity_of(run)
    for words, by, metric in [([], "fused", "cosine"), (["--metric", "euclidean"], "code", "euclidean"), (["--by", "profile"], "profile", "")]:
        rows = matrep_json("neighbours", folder, code, "--k", "7", *words)
        found = similarity.neighbours(query, 7, by, metric, among=run.support > 0)
        assert [r["material"] for r in rows] == [run.data.materials[i] for i in found.indices]
        assert [r["distance"] for r in rows] == pytest.approx(found.distances.tolist(), rel=1e-4, abs=1e-6)
        assert all(list(r)[:3] == ["material", "distance", "support"] and set(r) == set(EVIDENCE) for r in rows)
        assert all(r["support"] > 0 for r in rows)
    text = matrep("neighbours", folder, code).stdout
    assert code in text and "by fused" in text and "models" in text


def test_export_and_load_again(trained, tmp_path):
    from matrep_core.runs.archive import import_run

    folder, _ = trained
    files = matrep_json("export", folder, "--out", tmp_path / "out")["files"]
    run = Run(folder)
    vectors = pd.read_csv(tmp_path / "out" / "vectors.csv", dtype={"material": str}, keep_default_na=False)
    assert tuple(vectors.material) == run.data.materials
    np.testing.assert_allclose(vectors.filter(like="entry_"), run.vectors(), rtol=1e-6)
    frames = pd.read_parquet(tmp_path / "out" / "frames.parquet")
    assert len(frames) == 600 * len(run.frame_steps()) and set(frames.step) == set(run.frame_steps())
    predictions = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert len(predictions) == 150 and set(predictions.unit) == {"mPa·s"}
    loaded = import_run(next(tmp_path.glob("out/*.zip")), tmp_path / "artifacts")
    np.testing.assert_array_equal(loaded.vectors(), run.vectors())
    assert loaded.scores() == run.scores() and loaded.status().state == "done" and len(files) == 4


def test_a_killed_training_is_resumed(data_folder, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ["train", data_folder, "--property", "viscosity", "--steps", "3000", "--validation-share", "0", "--frames", "8", "--members", "2", "--blend", "no"]
    expected = matrep_json(*words, "--out", whole)
    process = subprocess.Popen(
        [sys.executable, "-m", "matrep_core", *map(str, words), "--out", str(killed)],
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not (killed / "metrics.jsonl").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert Run(killed).status().state == "lost"
    assert matrep_json("resume", killed)["eval"] == expected["eval"]


def test_ctrl_c_stops_at_a_checkpoint(data_folder, tmp_path):
    words = ["train", data_folder, "--property", "viscosity", "--steps", "2000000", "--members", "0", "--validation-share", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "matrep_core", *map(str, words), "--out", str(tmp_path / "run")],
        cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    while not (tmp_path / "run" / "metrics.jsonl").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "resume" in errors and "Traceback" not in errors
    run = Run(tmp_path / "run")
    assert run.status().state == "stopped" and len(list(run.path.glob("step-*"))) == 1


def test_a_wide_table_needs_only_the_name_of_its_property(tmp_path):
    random = np.random.default_rng(0)
    water = random.uniform(40, 90, 40).round(2)
    table = pd.DataFrame({"formula_id": [f"F{i}" for i in range(40)], "Aqua": water, "00123": (100 - water).round(2)})
    table["viscosity [mPa·s]"] = (1000 / water).round(3)
    table["rpm"] = 10
    table.to_csv(tmp_path / "wide.csv", index=False)
    facts = matrep_json("check", tmp_path / "wide.csv", "--property", "viscosity", "--condition", "rpm")
    assert facts["materials"] == 2 and facts["properties"][0]["unit"] == "mPa·s" and facts["conditions"] == ["rpm"]
    document = matrep_json(
        "train", tmp_path / "wide.csv", "--property", "viscosity", "--condition", "rpm", "--out", tmp_path / "run", *QUICK
    )
    assert document["unit"] == "mPa·s"
    assert [r["material"] for r in matrep_json("neighbours", tmp_path / "run", "Aqua")] == ["00123"]


def test_faults_are_one_message_and_exit_1(data_folder, tmp_path, trained):
    text = (data_folder / "formulas.csv").read_text().splitlines()
    text[5] = text[5].rsplit(",", 1)[0] + ",-1"
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "formulas.csv").write_text("\n".join(text))
    (tmp_path / "bad" / "properties.csv").write_bytes((data_folder / "properties.csv").read_bytes())
    refused = matrep("check", tmp_path / "bad", code=1)
    assert "row 6" in refused.stderr and "amount" in refused.stderr and refused.stdout == ""
    out = tmp_path / "run"
    train = ["train", data_folder, "--out", out]
    assert "viscosity" in matrep(*train, "--property", "colour", code=1).stderr
    assert "n_entries = 0" in matrep(*train, "--property", "viscosity", "--entries", "0", code=1).stderr
    assert "train_share" in matrep(*train, "--property", "viscosity", "--train-share", "nan", code=1).stderr
    assert not out.exists()
    assert "exists already" in matrep("train", data_folder, "--property", "viscosity", "--out", trained[0], code=1).stderr
    assert "no material" in matrep("neighbours", trained[0], "<b>nothing</b>", code=1).stderr
    assert "no run" in matrep("neighbours", tmp_path / "nowhere", "X", code=1).stderr
    assert "k = 0" in matrep("neighbours", trained[0], "X", "--k", "0", code=1).stderr


@pytest.mark.parametrize("words", [[], ["fly"], ["train"], ["train", "x", "--property", "p", "--steps", "many", "--out", "y"]], ids=str)
def test_wrong_usage_is_exit_2(words):
    matrep(*words, code=2)


def test_demo_sets_check_and_train(tmp_path):
    matrep("demo", "cosmetics", "--out", tmp_path / "cosmetics")
    facts = matrep_json("check", tmp_path / "cosmetics")
    assert (facts["formulas"], facts["materials"]) == (1745, 5485)
    assert "exists" in matrep("demo", "cosmetics", "--out", tmp_path / "cosmetics", code=1).stderr


def test_the_real_octane_set_checks_and_trains(tmp_path):
    pytest.importorskip("bofire", reason="the optional package with the octane set is not installed")
    matrep("demo", "octane", "--out", tmp_path / "octane")
    facts = matrep_json("check", tmp_path / "octane")
    assert (facts["formulas"], facts["materials"]) == (722, 423)
    document = matrep_json("train", tmp_path / "octane", "--property", facts["properties"][0]["name"], "--out", tmp_path / "run", *QUICK)
    assert document["eval"]["mae"] > 0


def test_a_reader_that_has_seen_enough_is_no_fault(data_folder):
    """As in ``check DATA | head -c 1``: no traceback, and the exit status of a success."""
    process = subprocess.Popen(
        [sys.executable, "-m", "matrep_core", "check", str(data_folder), "--json"], cwd=PROJECT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    process.stdout.close()
    assert process.wait() == 0 and "Traceback" not in process.stderr.read()
