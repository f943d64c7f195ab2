"""The server from outside: loopback, hosts, forged requests, uploads, headers; and behind nginx as docs/SERVING.md says."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from benchmarks.client import Session
from benchmarks.load import memory_of
from matrep_core import limits
from matrep_core.runs.archive import import_run
from tests.attacks.kit import SAMPLE
from tests.browser.serving import ROOT, Served, running
from tests.conftest import PROJECT

CONFIG = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())


def test_the_server_keeps_to_one_thread_for_linear_algebra() -> None:
    """However early or late a library of linear algebra is loaded."""
    script = (
        "import numpy; from streamlit.testing.v1 import AppTest; AppTest.from_file('app.py').run(timeout=60);"
        "import scipy.linalg, sklearn.cluster, torch; from threadpoolctl import threadpool_info;"
        "print(*[each['num_threads'] for each in threadpool_info()])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    said = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    counts = said.stdout.split()
    assert len(counts) >= 4 and set(counts) == {"1"}


def test_the_settings_of_the_server_are_the_careful_ones() -> None:
    server, browser, client = CONFIG["server"], CONFIG["browser"], CONFIG["client"]
    assert server["address"] == "127.0.0.1" and server["enableXsrfProtection"] and server["enableCORS"]
    assert server["allowedHosts"] == ["127.0.0.1", "localhost"]
    assert server["maxUploadSize"] * 2**20 == limits.MAX_UPLOAD_BYTES
    assert server["enableAgentApi"] is False
    assert browser["gatherUsageStats"] is False
    assert client["showErrorDetails"] == "none" and client["showErrorLinks"] is False and client["disableDataExport"]


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Iterator[Served]:
    with running(ROOT / "app.py", tmp_path_factory.mktemp("served")) as served:
        import_run(SAMPLE, served.artifacts)
        yield served


def port_of(served: Served) -> int:
    return int(served.url.rsplit(":", 1)[1])


def asked(served: Served, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(served), timeout=60)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()}, encode_chunked=not isinstance(body, bytes))
    return connection.getresponse()


def test_it_listens_on_loopback_alone(app: Served) -> None:
    """By what the kernel says of the port (Linux): 0100007F is 127.0.0.1."""
    port = f"{port_of(app):04X}"
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            lines = (line.split() for line in Path(table).read_text().splitlines()[1:])
            listening += [words[1] for words in lines if words[1].endswith(f":{port}") and words[3] == "0A"]
    assert listening == [f"0100007F:{port}"]


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}], ids=str)
def test_a_page_of_another_site_gets_no_session(app: Served, header: dict[str, str]) -> None:
    address = app.url.replace("http", "ws") + "/_stcore/stream"
    if "Host" in header:
        reply = asked(app, "GET", "/_stcore/stream", Host="evil.example", Connection="Upgrade", Upgrade="websocket",
                      Sec_WebSocket_Key="x" * 22 + "==", Sec_WebSocket_Version="13")  # fmt: skip
        assert reply.status == 403
        return
    with pytest.raises(InvalidStatus) as refused:
        connect(address, subprotocols=["streamlit"], additional_headers=header)  # type: ignore[list-item]
    assert refused.value.response.status_code == 403


def test_an_upload_without_the_token_is_refused(app: Served) -> None:
    for path in ("/_stcore/upload_file/x/y", "/_stcore/upload_file/../../x"):
        for method in ("PUT", "DELETE", "POST"):
            assert asked(app, method, path, b"x").status in (400, 403, 404, 405)
    assert not list(app.artifacts.rglob("x"))


def test_a_gigabyte_of_upload_stops_at_the_cap(app: Served) -> None:
    """With a token and a session of its own, without a length, so that the server must count."""
    session = Session(app.url)
    session.open("data")
    before = memory_of(app)
    first = asked(app, "GET", "/_stcore/health")
    (token,) = re.findall(r"_streamlit_xsrf=([^;]+)", first.getheader("Set-Cookie") or "")

    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
        for _ in range(1024):
            yield bytes(2**20)

    try:
        reply = asked(app, "PUT", f"/_stcore/upload_file/{session.id}/1", endless(), X_Xsrftoken=token, Cookie=f"_streamlit_xsrf={token}",
                      Content_Type="multipart/form-data; boundary=x", Transfer_Encoding="chunked")  # fmt: skip
        assert reply.status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # it hung up on us
    session.close()
    assert memory_of(app) - before < 400, "the upload is held in memory"
    assert not [file for file in app.artifacts.parent.rglob("*") if file.is_file() and file.stat().st_size > 2**20]


def test_what_is_no_page_gives_nothing_away(app: Served) -> None:
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/.streamlit/config.toml", "/app/static/../../app.py", "/media/../../app.py"):
        body = asked(app, "GET", path).read()
        assert b"root:" not in body and b"gatherUsageStats" not in body and b"navigation()" not in body, path
    assert asked(app, "POST", "/_stcore/agent/interact", b"{}").status in (403, 404)


# --- behind nginx -------------------------------------------------------------------------------------------

USER = ("anna", "right horse")


@pytest.fixture(scope="module")
def proxied(tmp_path_factory) -> Iterator[tuple[Served, int, int]]:
    """MatRep behind nginx with the configuration of docs/SERVING.md; its ports and paths alone are others."""
    for program in ("nginx", "openssl"):
        if not (shutil.which(program) or Path(f"/usr/sbin/{program}").exists()):
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    text = (PROJECT / "docs" / "SERVING.md").read_text()
    (configuration,) = re.findall(r"<!-- nginx -->\n```\n(.*?)```", text, re.DOTALL)
    with running(ROOT / "app.py", folder, "--browser.serverAddress", "matrep.example.org", "--server.allowedHosts", "matrep.example.org") as served:
        import_run(SAMPLE, served.artifacts)
        ports = [free_port(), free_port()]
        openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=matrep.example.org"]
        subprocess.run([*openssl, "-keyout", folder / "matrep.key", "-out", folder / "matrep.crt"], check=True, capture_output=True)
        crypt = subprocess.run(["openssl", "passwd", "-6", USER[1]], check=True, capture_output=True, text=True).stdout.strip()
        (folder / "matrep.passwords").write_text(f"{USER[0]}:{crypt}\n")
        folder.chmod(0o755)
        (folder / "matrep.passwords").chmod(0o644)
        for old, new in (
            ("listen 443 ssl", f"listen 127.0.0.1:{ports[0]} ssl"), ("listen 80", f"listen 127.0.0.1:{ports[1]}"),
            ("127.0.0.1:8501", f"127.0.0.1:{port_of(served)}"), ("/etc/nginx/", f"{folder}/"),
        ):  # fmt: skip
            assert old in configuration
            configuration = configuration.replace(old, new)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(
            f"user root;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{configuration}}}\n"
        )
        nginx = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", folder / "nginx.conf", "-p", folder, "-g", "daemon off;"],
                                 stderr=subprocess.PIPE)  # fmt: skip
        try:
            wait_for_port(ports[0], nginx)
            yield served, ports[0], ports[1]
        finally:
            nginx.terminate()
            nginx.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise AssertionError(process.stderr.read() if process.stderr else "nginx ended")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nginx does not listen")


def through(port: int, path: str, user: tuple[str, str] | None, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    import ssl
    from base64 import b64encode

    trusting = ssl._create_unverified_context()  # a certificate of this test's own
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=trusting)
    login = {"Authorization": "Basic " + b64encode(":".join(user).encode()).decode()} if user else {}
    connection.request(method, path, headers={"Host": "matrep.example.org", **login, **headers})
    return connection.getresponse()


def test_nobody_passes_without_the_password(proxied) -> None:
    _, port, plain = proxied
    for path in ("/", "/train", "/_stcore/health", "/_stcore/stream", "/_stcore/host-config", "/static/index.html"):
        assert through(port, path, None).status == 401, path
        assert through(port, path, (USER[0], "wrong")).status == 401, path
    connection = http.client.HTTPConnection("127.0.0.1", plain, timeout=60)
    connection.request("GET", "/train", headers={"Host": "matrep.example.org"})
    moved = connection.getresponse()
    assert moved.status == 301 and urlsplit(moved.getheader("Location")).scheme == "https"


def test_who_knows_the_password_works_as_at_the_machine_itself(proxied) -> None:
    _, port, _ = proxied
    page = through(port, "/similar", USER)
    assert page.status == 200 and b"<!doctype html>" in page.read().lower()
    assert page.getheader("X-Frame-Options") == "DENY" and page.getheader("X-Content-Type-Options") == "nosniff"
    assert through(port, "/_stcore/agent/openapi.json", USER).status == 404
    too_large = {"Content-Length": str(300 * 2**20)}
    assert through(port, "/_stcore/upload_file/x/y", USER, "PUT", **too_large).status == 413
    session = Session(f"https://127.0.0.1:{port}", USER, "matrep.example.org")
    shown = session.open("similar", "run=sample&material=ACT004")
    assert not shown.exceptions and "ACT004" in shown.text
    session.close()


def test_a_name_that_is_not_ours_is_not_served_a_session(proxied) -> None:
    served, _, _ = proxied
    address = served.url.replace("http", "ws") + "/_stcore/stream"
    with pytest.raises(InvalidStatus):
        connect(address, subprotocols=["streamlit"])  # type: ignore[list-item]  # as 127.0.0.1, which is not allowed here
