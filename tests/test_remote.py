"""Runs and studies in object stores: a local folder and a real S3 server, kills, forgeries, two writers."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pytest

from benchmarks.client import Session
from matrep_core import jobs, publishing
from matrep_core.errors import MatRepError, NotReached, NotThere, RunBroken, RunBusy, SettingRefused
from matrep_core.evaluation.results import Study
from matrep_core.publishing import RUNS, open_published, published_runs, pull, push
from matrep_core.runs.archive import import_run
from matrep_core.runs.remote import Entry, ObjectStore
from matrep_core.runs.store import Run, open_run
from matrep_core.study import run_study
from tests.attacks.kit import SAMPLE
from tests.browser.serving import running
from tests.conftest import PROJECT
from tests.test_study import made, settings, wait_for

for package in ("s3fs", "moto", "flask"):
    pytest.importorskip(package, reason=f"{package} is not installed (requirements-cluster.txt, requirements-dev.txt)")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """The address of an S3 server of its own, in the environment of this process as a user would put it there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path_factory.mktemp("s3") / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    environment = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        wait_for(lambda: listens(port))
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("matrep")
        yield environment["AWS_ENDPOINT_URL"]
    finally:
        os.environ.clear()
        os.environ.update(before)
        process.kill()
        process.wait(20)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return import_run(SAMPLE, tmp_path_factory.mktemp("mine"))


@pytest.fixture(params=["folder", "s3"])
def url(request, tmp_path) -> str:
    if request.param == "folder":
        return str(tmp_path / "store")
    request.getfixturevalue("server")
    return f"s3://matrep/{tmp_path.name}"


def contents(path: Path) -> dict[str, bytes]:
    files = {f.relative_to(path).as_posix(): f.read_bytes() for f in path.rglob("*") if f.is_file()}
    return {name: content for name, content in files.items() if name not in ("lock", "status.json", "log.txt")}


def objects(url: str) -> list[str]:
    import fsspec

    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    return sorted(path for path in fs.find(f"{root}/objects"))


def change(url: str, path: str, content: bytes) -> None:
    import fsspec

    fs, _ = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    fs.pipe_file(path, content)


def test_a_run_comes_back_as_it_went(run, url, tmp_path):
    push(run.path, url)
    listed, broken = published_runs(url)
    assert [each.name for each in listed] == [run.id] and not broken
    assert listed[0].facts["property"] == run.settings.property and float(listed[0].facts["evaluation MAE"]) > 0
    back = pull(url, run.id, tmp_path / "back")
    assert contents(back) == contents(run.path) and Run(back).status().state == "done"
    opened = open_published(url, run.id, tmp_path / "artifacts")
    assert (opened.vectors() == run.vectors()).all()
    publishing.ObjectStore(url).delete(RUNS, run.id)
    assert published_runs(url) == ([], []) and objects(url) == []
    assert open_published(url, run.id, tmp_path / "artifacts").id == run.id  # it is here now
    with pytest.raises(NotThere, match="in the store"):
        pull(url, run.id, tmp_path / "again")


def test_a_study_goes_extends_and_comes_back_and_nothing_is_sent_twice(small_cosmetics, url, tmp_path):
    study = made(tmp_path / "mine", small_cosmetics, entries=(2,), splits=2, baselines=("mean",), steps=30)
    assert run_study(study) == {}
    push(study.path, url)
    first = objects(url)
    assert len({path.rpartition("/")[2] for path in first}) == len(first)  # equal files are one object
    more = made(tmp_path / "mine", small_cosmetics, entries=(2, 3), splits=2, baselines=("mean",), steps=30)
    assert run_study(more) == {}
    push(more.path, url)
    assert len(ObjectStore(url).versions("studies")["mine"]) == 1
    shared = set(first) & set(objects(url))
    assert len(shared) >= len(first) - 2  # study.json changed, and perhaps the seconds of baselines.json
    back = Study(pull(url, "mine", tmp_path / "back"))
    assert len(back.done()) == 4 and back.errors().equals(more.errors()) and run_study(back) == {}
    push(more.path, url)
    assert set(objects(url)) >= shared and ObjectStore(url).versions("studies")["mine"] == [2]


def test_every_changed_object_is_refused_by_name(run, url, tmp_path):
    push(run.path, url)
    manifest, root = ObjectStore(url).newest(RUNS, run.id), objects(url)[0].split("/objects/")[0]
    chosen = random.Random(5).sample(sorted(manifest.files), 3)
    for name in chosen:
        path, good = f"{root}/objects/{run.id}/{manifest.files[name].object}", (run.path / name).read_bytes()
        for bad in (bytes([good[0] ^ 1]) + good[1:], good[:-1], good + b"x"):
            change(url, path, bad)
            with pytest.raises(RunBroken, match=f"{run.id}/{name} in the store"):
                pull(url, run.id, tmp_path / "back")
        change(url, path, good)
    assert not list(tmp_path.glob("back")) and not list(tmp_path.glob(".pull*"))
    path = f"{root}/runs/{run.id}@000001.json"
    for bad in (b"", b"{}", manifest.content()[:-9], manifest.content().replace(b'"format": 1', b'"format": 2')):
        change(url, path, bad)
        with pytest.raises(RunBroken, match="manifest"):
            pull(url, run.id, tmp_path / "back")
        assert published_runs(url)[0] == [] and "damaged" in published_runs(url)[1][0]


def test_hostile_names_cannot_leave_the_folder(run, url, tmp_path):
    push(run.path, url)
    store = ObjectStore(url)
    manifest, root = store.newest(RUNS, run.id), objects(url)[0].split("/objects/")[0]
    some = next(iter(manifest.files.values()))
    forged = [{**manifest.files, name: some} for name in ("../escape", "/tmp/escape", "model/../../escape", "model\\..\\x", ".hidden", "lock")]
    forged += [{**manifest.files, "config.json": replace(some, object=o)} for o in ("../../../escape", "0" * 16 + "/../" + "0" * 64)]
    forged += [{**manifest.files, "config.json": Entry(n, some.sha256, some.object)} for n in (-1, 2**60, True)]
    for files in forged:
        change(url, f"{root}/runs/{run.id}@000001.json", replace(manifest, files=files).content())
        with pytest.raises(RunBroken):
            pull(url, run.id, tmp_path / "out" / "back")
    for key in ("..@000001.json", "a b@000001.json", "x@1.json", "%2e%2e@000001.json", f"{run.id}@000001.json.bak"):
        change(url, f"{root}/runs/{key}", manifest.content())
    assert list(store.versions(RUNS)) == [run.id]
    for name in ("../escape", "..", "", "a/b", "x" * 81):
        for ask in (lambda n: pull(url, n, tmp_path / "out" / "back"), lambda n: open_published(url, n, tmp_path / "artifacts")):
            with pytest.raises(NotThere):
                ask(name)
    assert not list(tmp_path.rglob("*escape*")) and not (tmp_path / "out" / "back").exists()


def test_what_a_forger_seals_anew_is_inspected(run, url, tmp_path):
    """Right check sums, wrong content: the run is looked at as an uploaded one is."""
    forged = tmp_path / run.id
    shutil.copytree(run.path, forged)
    record = json.loads((forged / "split.json").read_text())
    (forged / "split.json").write_text(json.dumps({**record, "parts": record["parts"][:-1]}))
    push(forged, url)
    with pytest.raises(RunBroken, match="split.json"):
        pull(url, run.id, tmp_path / "back")


def test_of_two_writers_one_wins_and_a_name_is_not_taken_over(run, url, tmp_path):
    ready, ended = Barrier(2), []

    def write() -> None:
        ready.wait()
        try:
            push(run.path, url)
            ended.append("stored")
        except RunBusy as error:
            ended.append(str(error))

    threads = [Thread(target=write) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert "stored" in ended and len(ended) == 2
    assert len(ObjectStore(url).versions(RUNS)[run.id]) == 1
    assert contents(pull(url, run.id, tmp_path / "back")) == contents(run.path)
    writers = {path.split("/")[-2] for path in objects(url)}
    assert writers == {ObjectStore(url).newest(RUNS, run.id).writer}  # the loser took its objects along
    other = tmp_path / run.id
    shutil.copytree(run.path, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "created": "2020-01-01T00:00:00.000000Z"}))
    with pytest.raises(RunBusy, match="has another"):
        push(other, url)
    push(other, url, "another-name")
    assert sorted(ObjectStore(url).versions(RUNS)) == sorted([run.id, "another-name"])


UPLOADER = """
import os, sys
import s3fs
from matrep_core.publishing import push
for line in sys.stdin:
    if not (child := os.fork()):
        push(sys.argv[1], sys.argv[2], line.strip())
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # until then a child that ended keeps its number, so that no other process can be killed
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


def test_killed_uploads_leave_no_half_run(run, server, tmp_path, figures):
    """Killed at random moments; whatever is listed then comes back whole."""
    url, dice, readable, names = "s3://matrep/kills", random.Random(11), 0, [f"kill{number}" for number in range(24)]
    words = [sys.executable, "-c", UPLOADER, str(run.path), url]
    uploader = subprocess.Popen(words, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert uploader.stdin and uploader.stdout

    def upload(name: str, until: float | None) -> float:
        """Seconds that it took; killed after ``until``."""
        print(name, file=uploader.stdin, flush=True)
        child, begun = int(uploader.stdout.readline()), time.monotonic()
        if until is not None:
            time.sleep(until)
            os.kill(child, signal.SIGKILL)
        print("reap", file=uploader.stdin, flush=True)
        assert uploader.stdout.readline() == "ended\n"
        return time.monotonic() - begun

    try:
        upload("first", None)
        usual = upload("second", None)
        for name in names:
            upload(name, dice.uniform(0, usual))
    finally:
        uploader.stdin.close()
        uploader.wait(30)
    listed = set(ObjectStore(url).versions(RUNS))
    assert {"first", "second"} <= listed
    for name in names:
        if name in listed:
            assert contents(pull(url, name, tmp_path / name)) == contents(run.path)
            readable += 1
        else:
            with pytest.raises(NotThere):
                pull(url, name, tmp_path / name)
    assert readable < len(names), "every upload was through before it was killed"
    assert any("/kill" in path for path in objects(url)), "no upload had begun when it was killed"
    push(run.path, url, names[0])  # and the same name can be stored all the same
    assert contents(pull(url, names[0], tmp_path / "after")) == contents(run.path)
    figures.add(uploads_killed=len(names), committed_before_the_kill=readable, half_runs_readable=0)


def test_addresses_and_keys(run, server, tmp_path, monkeypatch):
    for wrong in ("s3://key:secret@host/bucket", "", "simplecache::s3://matrep", "s3://matrep?key=x"):
        with pytest.raises(SettingRefused) as refused:
            push(run.path, wrong)
        assert "secret" not in str(refused.value)
    with pytest.raises(SettingRefused, match="nosuch"):
        push(run.path, "nosuch://matrep")
    with pytest.raises(MatRepError, match="store"):
        push(run.path, "s3://no-such-bucket/x")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(NotReached, match="does not do what it is asked"):
        published_runs("s3://matrep/x")
    s3fs.S3FileSystem.clear_instance_cache()


def test_the_commands_push_and_pull(run, url, tmp_path):
    def told(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "matrep_core", *map(str, words)], cwd=PROJECT, capture_output=True, text=True, timeout=120)

    sent = told("push", run.path, url, "--json")
    assert sent.returncode == 0 and json.loads(sent.stdout)["name"] == run.id, sent.stderr
    back = told("pull", url, run.id, "--out", tmp_path / "back")
    assert back.returncode == 0 and contents(tmp_path / "back") == contents(run.path), back.stderr
    refused = told("pull", url, "nobody", "--out", tmp_path / "other")
    assert refused.returncode == 1 and "Traceback" not in refused.stderr and not (tmp_path / "other").exists()


def test_the_app_lists_opens_and_publishes(run, small_cosmetics, tmp_path, monkeypatch):
    """One app with a store: what is there is listed and opened, what is finished here goes there by itself."""
    store = str(tmp_path / "store")
    push(run.path, store)
    monkeypatch.setenv("MATREP_STORE", store)
    with running(PROJECT / "app.py", tmp_path / "served") as app:
        session = Session(app.url)
        first = session.open("train")
        assert run.id in first.text and "Runs in the store" in first.text and not first.exceptions
        assert not session.press("Open").exceptions
        assert (open_run(app.artifacts, run.id).vectors() == run.vectors()).all()
        made_here = jobs.start(app.artifacts, small_cosmetics, settings(steps=30))
        wait_for(lambda: made_here in ObjectStore(store).versions(RUNS))
        assert contents(pull(store, made_here, tmp_path / "back")) == contents(open_run(app.artifacts, made_here).path)
        ObjectStore(store).delete(RUNS, run.id)
        session.open("train", f"run={run.id}")
        assert not session.press("Publish").exceptions and run.id in ObjectStore(store).versions(RUNS)
        session.close()
