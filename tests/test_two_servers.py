"""Two app servers on one folder: the same runs, each other's jobs, and nginx in front of both as docs/SERVING.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from benchmarks.client import Session
from matrep_core import jobs
from matrep_core import study as studies
from matrep_core.evaluation.results import open_study
from matrep_core.runs.archive import import_run
from matrep_core.runs.store import open_run
from matrep_core.study import plan_of
from tests.attacks.kit import SAMPLE
from tests.browser.serving import ROOT, Served, running
from tests.conftest import PROJECT
from tests.test_serving import free_port, port_of, wait_for_port
from tests.test_study import settings, wait_for

ENDLESS = {"steps": 5_000_000, "validation_share": 0.0, "hidden_width": 16}


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Iterator[tuple[Served, Served]]:
    """Two servers; the second one's folder of artifacts is the first one's."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    (first / "artifacts").mkdir()
    (second / "artifacts").symlink_to(first / "artifacts")
    with running(ROOT / "app.py", first) as one, running(ROOT / "app.py", second) as other:
        import_run(SAMPLE, one.artifacts)
        yield one, other


def shown(url: str, page: str, query: str) -> str:
    session = Session(url)
    answer = session.open(page, query)
    session.close()
    assert not answer.exceptions
    return answer.text


def press(url: str, page: str, query: str, button: str) -> None:
    session = Session(url)
    session.open(page, query)
    assert not session.press(button).exceptions
    session.close()


def test_both_serve_the_same_runs(two) -> None:
    for served in two:
        assert "sample" in shown(served.url, "train", "")
        assert "ACT004" in shown(served.url, "similar", "run=sample&material=ACT004")


def test_each_sees_and_stops_what_the_other_started(two, small_cosmetics) -> None:
    one, other = two
    running_, waiting = (jobs.start(one.artifacts, small_cosmetics, settings(**ENDLESS)) for _ in range(2))
    wait_for(lambda: open_run(one.artifacts, running_).status().step > 0)
    for served in two:
        page = shown(served.url, "train", f"run={running_}")
        assert running_ in page and waiting in page
        assert "one training runs at a time" in shown(served.url, "train", f"run={waiting}")
    press(other.url, "train", f"run={running_}", "Stop")
    wait_for(lambda: open_run(one.artifacts, running_).status().state == "stopped")
    wait_for(lambda: open_run(one.artifacts, waiting).status().step > 0)  # its turn has come
    assert "Stopped on request" in shown(one.url, "train", f"run={running_}")
    press(other.url, "train", f"run={running_}", "Resume")  # behind the one that trains now
    wait_for(lambda: open_run(one.artifacts, running_).status().state == "queued")
    press(one.url, "train", f"run={running_}", "Stop")
    press(one.url, "train", f"run={waiting}", "Stop")
    for each in (running_, waiting):
        wait_for(lambda each=each: open_run(one.artifacts, each).status().state == "stopped")
    press(one.url, "train", f"run={waiting}", "Delete")
    assert open_run(one.artifacts, waiting).status().state == "stopped"  # a dialog asks first


def test_a_study_is_stopped_from_the_other_server(two, small_cosmetics) -> None:
    one, other = two
    study_id = studies.start(one.artifacts, small_cosmetics, plan_of(small_cosmetics, settings(**ENDLESS), [2], ["tanh"], 1))
    study = open_study(one.artifacts, study_id)
    wait_for(lambda: study.state()[0] == "running")
    press(other.url, "evaluate", f"study={study_id}", "Stop")
    wait_for(lambda: not study.busy)
    assert study.state()[0] == "stopped" and "Go on" in shown(one.url, "evaluate", f"study={study_id}")


@contextmanager
def in_front(folder: Path, *ports: int) -> Iterator[tuple[str, Path]]:
    """nginx with the upstream of docs/SERVING.md, its two ports replaced; its address, and a log of who answered."""
    program = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "")
    if not program:
        pytest.skip("nginx is not installed")
    folder.mkdir()
    text = (PROJECT / "docs" / "SERVING.md").read_text()
    (upstream,) = re.findall(r"<!-- nginx, two servers -->\n```\n(.*?)```", text, re.DOTALL)
    for number, port in enumerate(ports):
        assert f"127.0.0.1:{8501 + number}" in upstream
        upstream = upstream.replace(f"127.0.0.1:{8501 + number}", f"127.0.0.1:{port}")
    port, log = free_port(), folder / "access.log"
    (location,) = re.findall(r"    location / \{\n.*?\n    \}\n", text, re.DOTALL)
    location = location.replace("http://127.0.0.1:8501", "http://matrep")
    (connection,) = re.findall(r"map \$http_upgrade.*?\}\n", text, re.DOTALL)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"user root;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\nlog_format who '$upstream_addr';\n"
        f"access_log {log} who;\n{temporary}{connection}{upstream}server {{\nlisten 127.0.0.1:{port};\n{location}}}\n}}\n"
    )
    nginx = subprocess.Popen([program, "-c", folder / "nginx.conf", "-p", folder, "-g", "daemon off;"], stderr=subprocess.PIPE)
    try:
        wait_for_port(port, nginx)
        yield f"http://127.0.0.1:{port}", log
    finally:
        nginx.terminate()
        nginx.wait(10)


def test_nginx_keeps_a_visitor_on_one_server(two, tmp_path) -> None:
    with in_front(tmp_path / "nginx", *map(port_of, two)) as (url, log):
        for _ in range(3):
            assert "sample" in shown(url, "train", "")
            assert "ACT004" in shown(url, "similar", "run=sample&material=ACT004")
        for _ in range(5):
            with urlopen(f"{url}/_stcore/health", timeout=60) as answer:
                assert answer.status == 200
        wait_for(lambda: len(log.read_text().split()) >= 11)
        assert len(set(log.read_text().split())) == 1, "requests of one visitor went to two servers"


def test_nginx_takes_the_other_server_where_one_is_gone(two, tmp_path) -> None:
    for number, ports in enumerate(((port_of(two[0]), free_port()), (free_port(), port_of(two[0])))):
        with in_front(tmp_path / f"nginx{number}", *ports) as (url, _):
            assert "ACT004" in shown(url, "similar", "run=sample&material=ACT004")
