"""Servers and watched pages for the browser tests; the fixtures in conftest.py hand them out."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Download, Locator, Page, WebSocket, expect

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
ACTION_SECONDS = 30  # a slow machine must not fail a test
SIZE = {"width": 1280, "height": 900}

ARGUMENTS = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--enable-unsafe-swiftshader",  # WebGL2 in software where there is no graphics card
]  # fmt: skip

expect.set_options(timeout=ACTION_SECONDS * 1000)


@dataclass(frozen=True)
class Served:
    """A running server: its address and the folder that it keeps data sets and runs in."""

    url: str
    artifacts: Path
    log: Path


def chromium_path() -> str | None:
    for path in (
        os.environ.get("CHROMIUM"),
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ):
        if path and os.access(path, os.X_OK):
            return path
    return None


@contextmanager
def watched_page(browser: Browser, **context: object) -> Iterator[Page]:
    """A page in a context of its own that must end without an uncaught error and without a shown traceback."""
    own = browser.new_context(**{"viewport": SIZE, **context})  # type: ignore[arg-type]
    try:
        with watched(own) as page:
            yield page
    finally:
        own.close()


@contextmanager
def watched(context: BrowserContext) -> Iterator[Page]:
    """A new page of ``context`` that must end without an uncaught error and without a shown traceback."""
    page = context.new_page()
    page.add_init_script(LISTEN)
    page.set_default_timeout(ACTION_SECONDS * 1000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{error.message}\n{error.stack}"))
    try:
        yield page
        assert not errors, "uncaught error in the page:\n" + "\n".join(errors)
        for sign in ("[data-testid=stException]", "text=/Traceback|BidiComponent Error/"):
            found = page.locator(sign)
            assert found.count() == 0, f"the page shows an error: {found.first.inner_text()}"
    finally:
        page.close()


# Counts on nothing but the socket: from a click to the first word of the server the page itself still says "notRunning".
LISTEN = """
window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", () => { window.heardAt = performance.now(); });
  }
  send(data) {
    window.askedAt = performance.now();
    super.send(data);
  }
};
"""
# What is asked without an answer, as that the page still lives, is waited for three seconds.
AT_REST = """
() => {
  const [asked, heard, now] = [window.askedAt ?? 0, window.heardAt ?? 0, performance.now()];
  return document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"
    && !document.querySelector("[data-testid=stSkeleton]") && now - heard > 100 && (heard > asked || now - asked > 3000);
}
"""


def run_to_its_end(page: Page) -> None:
    """Wait until the server has answered what was asked, the page's script is through and all that it sent is drawn."""
    page.wait_for_function(AT_REST, timeout=150_000)


UNFOLDED = """
(title) => [...document.querySelectorAll("details[open] > summary")].some((each) => each.innerText.includes(title))
  && !document.getAnimations().some((each) => each.playState === "running" && each.effect.target?.closest("details"))
"""


def unfold(page: Page, title: str) -> None:
    """Open the part of the page under ``title`` and wait until it stands still.

    While it opens, what it holds moves on between the pressing and the letting go of a mouse button, and is not clicked.
    """
    page.locator("summary").filter(has_text=title).click()
    page.wait_for_function(UNFOLDED, arg=title)


def taken(page: Page, button: Locator) -> Download:
    """What a click on a download ``button`` gives, once the page has run to its end.

    A file that is made when it is asked for belongs to one run of the page: a click while the next one
    replaces the button asks for a file that is no longer known.
    """
    run_to_its_end(page)
    with page.expect_download() as waiting:
        button.click()
    return waiting.value


@contextmanager
def running(script: Path, folder: Path, *options: str) -> Iterator[Served]:
    """``streamlit run script`` with further ``options`` on a free port, with all that it starts ended at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    artifacts, log = folder / "artifacts", folder / "server.log"
    artifacts.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "streamlit", "run", str(script), "--server.headless", "true", "--server.port", str(port),
        "--server.address", "127.0.0.1", "--server.fileWatcherType", "none", *options,
    ]  # fmt: skip
    with log.open("w") as out:
        server = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "MATREP_ARTIFACTS": str(artifacts)},
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(url, server, log)
        yield Served(url, artifacts, log)
    finally:
        _end(server)
    # Streamlit itself logs a traceback when a page is closed while it sends; ours name a file of the project.
    ours = re.compile(rf'File "{re.escape(str(ROOT))}/(app\.py|pages/|matrep_core/|matrep_ui/|tests/)')
    traces = re.findall(r"Traceback \(most recent call last\):(?:\n .*)+\n.*", log.read_text(errors="replace"))
    traces = [trace for trace in traces if ours.search(trace)]
    assert not traces, "the server logged a traceback:\n" + traces[0]


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("the server did not start:\n" + log.read_text(errors="replace"))


def _end(server: subprocess.Popen[bytes]) -> None:
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, ending)
        except ProcessLookupError:
            break
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            continue
    server.wait(10)


class Traffic:
    """Messages between the page and its server, and their bytes."""

    def __init__(self, page: Page) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda data: self.sent.append(len(data)))
        socket.on("framereceived", lambda data: self.received.append(len(data)))

    def forget(self) -> None:
        self.sent.clear()
        self.received.clear()
