"""What was killed, cut in half, carried over or locked: after a restart every page tells how things stand."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.client import Answer, Session
from matrep_core import jobs
from matrep_core.errors import MatRepError
from matrep_core.formulas.storage import save_dataset
from matrep_core.runs.archive import import_run
from matrep_core.runs.store import Run, delete_run, list_runs, open_run, runs_folder
from matrep_core.settings import from_recipe
from matrep_ui.page import PAGES
from tests.attacks.kit import SAMPLE
from tests.browser.serving import ROOT, Served, running
from tests.test_jobs import worker_of

ENDLESS = {"steps": 5_000_000, "members": 0, "blend": "no", "validation_share": 0.0, "hidden_width": 16, "frames": 8}


def eventually(seen: Callable[[], bool], what: str, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def server_of(served: Served) -> int:
    port = served.url.rsplit(":", 1)[1].encode()
    for process in Path("/proc").glob("[0-9]*"):
        words = (process / "cmdline").read_bytes().split(b"\0") if (process / "cmdline").exists() else []
        if b"streamlit" in words and port in words:
            return int(process.name)
    raise AssertionError("no server")


def told(answer: Answer) -> str:
    assert not answer.exceptions, answer.exceptions
    return re.sub(r"[\\\u2060]", "", answer.text)


def test_killed_in_every_order_the_pages_tell_the_truth(small_cosmetics, tmp_path: Path, figures) -> None:
    """One training through all six orders: each begins with the server and the training that the last one left."""
    root = tmp_path / "artifacts"
    save_dataset(small_cosmetics, [], root)
    orders = list(itertools.permutations(["server", "trainer", "browser"]))
    with ExitStack() as servers:
        served = servers.enter_context(running(ROOT / "app.py", tmp_path))
        run = open_run(root, jobs.start(root, small_cosmetics, from_recipe("default", property="viscosity", **ENDLESS)))
        eventually(lambda: run.status().state == "training" and len(run.frames()) > 0, "it trains")
        for order in orders:
            session = Session(served.url)
            assert f"of {ENDLESS['steps']:,}" in told(session.open("train", f"run={run.id}"))
            gone: set[str] = set()
            for victim in order:
                if victim == "trainer":
                    os.kill(worker_of(run), signal.SIGKILL)
                    eventually(lambda: run.status().state == "lost", "its lock is free")
                elif victim == "server":
                    os.kill(server_of(served), signal.SIGKILL)
                else:
                    session.cut()
                gone.add(victim)
                # Whatever else dies, a training goes on; and what it left can be read.
                assert run.status().state == ("lost" if "trainer" in gone else "training"), f"{order} after {victim}"
                assert len(run.frames()) > 0 and len(run.metrics()) > 0
            served = servers.enter_context(running(ROOT / "app.py", tmp_path))
            again = Session(served.url)
            shown = told(again.open("train", f"run={run.id}"))
            assert "lost" in shown and "Its process ended without a word" in shown
            if order == orders[-1]:
                for entry in PAGES:
                    told(again.open(entry.name, f"run={run.id}"))
            jobs.resume(root, run.id)
            eventually(lambda: run.status().state == "training" and len(run.frames()) > 0, "it goes on")
            again.close()
            figures.add(orders_of_killing=1, pages_that_told_otherwise=0)
        jobs.stop(root, run.id)
        eventually(lambda: run.status().state == "stopped", "it stops")
        last = Session(served.url)
        assert "Stopped on request" in told(last.open("train", f"run={run.id}"))
        last.close()


# --- folders in every state ---------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Path:
    import_run(SAMPLE, tmp_path)
    return tmp_path


@pytest.mark.parametrize("missing", ["config.json", "status.json", "data", "model", "frames", "split.json", "step-000000060", "lock", "metrics.jsonl"])
def test_a_half_deleted_run_is_told_in_a_sentence_and_can_be_deleted(missing: str, store: Path) -> None:
    import_run(SAMPLE, store)
    path = runs_folder(store) / "sample"
    shutil.rmtree(path / missing) if (path / missing).is_dir() else (path / missing).unlink()
    runs, broken = list_runs(store)
    assert len(runs) + len(broken) == 2 and all(sentence and "\n" not in sentence for sentence in broken)
    try:
        run = open_run(store, "sample")
        run.status(), run.data, run.parts, run.vectors(), run.scores()
    except MatRepError as error:
        assert "\n" not in str(error) and str(store) not in str(error)
    delete_run(store, "sample")
    assert [each.id for each in list_runs(store)[0]] != ["sample"] and not path.exists()


def test_a_delete_that_was_killed_leaves_nothing_in_the_list(store: Path) -> None:
    path = runs_folder(store) / "sample"
    path.rename(path.with_name(".deleted-sample-1234"))
    (path.with_name(".sample.1234")).mkdir()  # what a killed start leaves
    (path.with_name(".import-1234")).mkdir()
    assert list_runs(store) == ([], [])


def test_a_run_from_another_machine_opens_and_is_lost_where_it_was_training(store: Path, tmp_path: Path) -> None:
    """Copied while it trained there: the files say training, nobody here holds its lock, no file of it is a path."""
    path = runs_folder(store) / "sample"
    status = json.loads((path / "status.json").read_text())
    (path / "status.json").write_text(json.dumps({**status, "state": "training"}))
    elsewhere = tmp_path / "elsewhere" / "runs" / "copied"
    shutil.copytree(path, elsewhere)
    (elsewhere / "lock").unlink()
    run = open_run(tmp_path / "elsewhere", "copied")
    assert run.status().state == "lost" and "Resume it" in run.status().message
    assert run.vectors().shape[0] == len(run.data.materials)
    files = [file.read_bytes() for file in elsewhere.rglob("*") if file.is_file() and file.suffix in (".json", ".jsonl")]
    assert not any(str(store).encode() in content for content in files)


def test_a_clock_that_jumps_back_disturbs_neither_queue_nor_list(store: Path, small_cosmetics) -> None:
    """Runs of a time to come, made before the clock was set right, one of them waiting: others still train."""
    path = runs_folder(store) / "sample"
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "created": "2099-01-01T00:00:00.000000Z"}))
    os.utime(path, (4e9, 4e9))
    settings = from_recipe("default", property="viscosity", members=0, blend="no", steps=40, hidden_width=8, frames=4)
    later, sooner = (open_run(store, jobs.start(store, small_cosmetics, settings)) for _ in range(2))
    eventually(lambda: later.status().state == sooner.status().state == "done", "both are done")
    runs, broken = list_runs(store)
    assert not broken and runs[0].id == "sample" and len(runs) == 3
    assert all(0 <= each.status.seconds < 1_000 for each in runs)


@pytest.fixture
def read_only(store: Path) -> Iterator[Path]:
    """The store on a disk that takes nothing, as a read-only bind mount: the superuser heeds no rights of files."""
    seen = store / "seen"
    seen.mkdir()
    if subprocess.run(["mount", "--bind", str(store), str(seen)], capture_output=True).returncode:
        pytest.skip("mounting needs rights that this process has not")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(seen)], check=True)
    yield seen
    subprocess.run(["umount", "-l", str(seen)], check=True)


def test_a_read_only_folder_is_looked_at_and_refuses_in_sentences(read_only: Path, small_cosmetics) -> None:
    run = open_run(read_only, "sample")
    assert run.status().state == "done" and run.vectors().size and len(list_runs(read_only)[0]) == 1
    settings = from_recipe("default", property="viscosity")
    status = json.loads((run.path / "status.json").read_text())
    doors: dict[str, Callable[[], object]] = {
        "start": lambda: jobs.start(read_only, small_cosmetics, settings),
        "save": lambda: save_dataset(small_cosmetics, [], read_only),
        "load": lambda: import_run(SAMPLE, read_only),
        "delete": lambda: delete_run(read_only, "sample"),
    }
    for name, door in doors.items():
        with pytest.raises(MatRepError) as refused:
            door()
        assert "Read-only" in str(refused.value) and "\n" not in str(refused.value), name
    (read_only.parent / "runs" / "sample" / "status.json").write_text(json.dumps({**status, "state": "stopped"}))
    with pytest.raises(MatRepError, match="Read-only"):
        jobs.resume(read_only, "sample")
    assert Run(run.path).status().state == "stopped"


def test_every_page_opens_on_a_read_only_folder(read_only: Path, tmp_path_factory, monkeypatch) -> None:
    folder = tmp_path_factory.mktemp("served")
    (folder / "artifacts").symlink_to(read_only)
    with running(ROOT / "app.py", folder) as served:
        session = Session(served.url)
        for entry in PAGES:
            told(session.open(entry.name, "run=sample"))
        session.close()
