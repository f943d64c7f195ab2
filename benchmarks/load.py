"""Many sessions at once on one server: what they wait, what they cost, and whether one ever sees another's answer.

``python -m benchmarks load`` opens 50 sessions over websockets and 5 real browsers on a run of 5,485 materials,
while one training runs and three wait. Every session has a material of its own and cycles through what people do:
look at a step of the map, search for its material, click to its neighbours, look at the list of runs. Between two
actions it thinks. Latencies are given as ratios to one session alone on the same server a moment before, because
seconds depend on the machine. ``--minutes`` makes it a soak: memory is read once a minute until then.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.client import Session
from matrep_core import jobs
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.storage import save_dataset
from matrep_core.runs.store import Run, list_runs, open_run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from tests.browser.serving import ARGUMENTS, ROOT, Served, chromium_path, running

QUEUED = 3


@dataclass
class Counted:
    """What all sessions saw together; one lock, many threads."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    bytes: dict[str, list[int]] = field(default_factory=dict)
    exceptions: list[str] = field(default_factory=list)
    cross_talk: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Load:
    """The result: everything that ``measure`` prints, as numbers. Memory in MiB."""

    alone: Counted
    together: Counted
    before: float
    during: float
    samples: list[tuple[float, float]]  # minutes, memory
    browser_actions: int
    states: Counter[str]


def actions(run: Run, own: str, step: int) -> dict[str, tuple[str, str]]:
    """What a session does: the page and the query of each action."""
    return {
        "scrub": ("materials", f"run={run.id}&step={step}"),
        "search": ("materials", f"run={run.id}&material={own}"),
        "click": ("similar", f"run={run.id}&material={own}"),
        "runs": ("train", ""),
    }


def visit(session: Session, run: Run, own: str, others: set[str], random: np.random.Generator, counted: Counted) -> None:
    """All actions of one session once, counted and looked at."""
    step = int(random.choice(run.frame_steps()))
    for name, (page, query) in actions(run, own, step).items():
        answer = session.open(page, query)
        titles = {re.sub(r"[\\\u2060]", "", e.heading.body) for e in answer.elements if e.WhichOneof("type") == "heading"}
        with counted.lock:
            counted.seconds.setdefault(name, []).append(answer.seconds)
            counted.bytes.setdefault(name, []).append(answer.bytes)
            counted.exceptions += answer.exceptions
            if name == "click" and own not in titles:
                counted.cross_talk.append(f"{own} asked, shown {sorted(titles)}")
            if titles & others:
                counted.cross_talk.append(f"{own} was shown {sorted(titles & others)}")


def memory_of(served: Served) -> float:
    """Resident memory in MiB of the server, found by its port in the command line (Linux)."""
    port = served.url.rsplit(":", 1)[1].encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"streamlit" in words and port in words:
                line = next(x for x in (process / "status").read_text().splitlines() if x.startswith("VmRSS"))
                return int(line.split()[1]) / 1024
        except (OSError, StopIteration):
            continue
    return float("nan")


def browse(url: str, run: Run, codes: list[str], until: Callable[[], bool], think: float) -> int:
    """Real browsers, one a code: each opens the map, searches its material and reads the address; returns the actions."""
    from playwright.sync_api import sync_playwright

    done = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        pages = [browser.new_context().new_page() for _ in codes]
        for page in pages:
            page.set_default_timeout(120_000)
            page.goto(f"{url}/materials?run={run.id}")
        for page in pages:
            page.locator(".matrep[data-drawn]").wait_for()
        while True:
            for page, code in zip(pages, codes, strict=True):
                page.locator(".search-input").fill(code)
                page.locator(".search-input").press("Enter")
                page.wait_for_url(re.compile(f"material={re.escape(code)}"))
                page.locator(".search-input").fill("")
                page.locator(".search-input").press("Escape")
                done += 1
            if until():
                break
            pages[0].wait_for_timeout(1000 * think)
        browser.close()
    return done


def prepared(root: Path, quick: bool) -> tuple[FormulaSet, Run]:
    """A data set and a finished run below ``root``."""
    data = generate_cosmetics(seed=3, formulas=150, materials=600).data if quick else generate_cosmetics().data
    save_dataset(data, [], root)
    runs_folder(root).mkdir(parents=True, exist_ok=True)
    size = {"steps": 60, "frames": 12} if quick else {"steps": 600, "frames": 64}
    settings = from_recipe("default", property="viscosity", members=0, blend="no", **size)
    run = prepare(runs_folder(root) / "looked-at", data, settings)
    fit(run)
    return data, run


def load(sessions: int, browsers: int, rounds: int, minutes: float, think: float, quick: bool, tell: Callable[[str], None] = print) -> Load:
    """Carry it out; ``rounds`` cycles a session at least, and for ``minutes`` at least."""
    with tempfile.TemporaryDirectory() as folder, running(ROOT / "app.py", Path(folder)) as served:
        data, run = prepared(served.artifacts, quick)
        often = np.argsort(-run.support, kind="stable")
        codes = [run.data.materials[i] for i in often[: sessions + browsers]]
        alone, together = Counted(), Counted()
        first = Session(served.url)
        for counted in (Counted(), alone):  # once to fill the caches
            for number in range(1 if counted is not alone else max(3, rounds)):
                visit(first, run, codes[number % len(codes)], set(), np.random.default_rng(number), counted)
        before = memory_of(served)

        endless = from_recipe("default", property="viscosity", steps=5_000_000, members=0, blend="no", validation_share=0.0)
        started = [jobs.start(served.artifacts, data, endless) for _ in range(1 + QUEUED)]
        begins = time.monotonic() + 120
        while not any(open_run(served.artifacts, each).status().state == "training" for each in started):
            if time.monotonic() > begins:
                raise RuntimeError("no training began within 120 s")
            time.sleep(0.2)
        end = time.monotonic() + 60 * minutes
        over = threading.Event()

        def cycle(number: int) -> None:
            random, own = np.random.default_rng(number), codes[number]
            try:
                session = Session(served.url)
                time.sleep(random.uniform(0, think))
                done = 0
                while done < rounds or time.monotonic() < end:
                    visit(session, run, own, set(codes) - {own}, random, together)
                    done += 1
                    time.sleep(random.exponential(think))
                over.wait()  # stays open: an open tab costs memory
                session.close()
            except Exception as error:  # a thread must not end unheard
                with together.lock:
                    together.exceptions.append(f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=cycle, args=(number,), daemon=True) for number in range(sessions)]
        for thread in threads:
            thread.start()
        asked = 4 * rounds * sessions
        enough = lambda: time.monotonic() >= end and (  # noqa: E731
            sum(map(len, together.seconds.values())) >= asked or bool(together.exceptions)
        )
        browsing: list[int] = []
        if browsers and chromium_path():
            own = codes[sessions:]
            visitor = threading.Thread(target=lambda: browsing.append(browse(served.url, run, own, enough, think)), daemon=True)
            visitor.start()
        samples, begun = [(0.0, memory_of(served))], time.monotonic()
        while not enough():
            time.sleep(1)
            if time.monotonic() - begun >= 60 * len(samples):
                samples.append(((time.monotonic() - begun) / 60, memory_of(served)))
                tell(f"{samples[-1][0]:5.1f} min  {samples[-1][1]:6.0f} MiB  {sum(map(len, together.seconds.values())):,} answers")
        during = memory_of(served)
        states = Counter(each.status.state for each in list_runs(served.artifacts)[0] if each.id in started)
        over.set()
        for thread in threads:
            thread.join(60)
        if browsers and chromium_path():
            visitor.join(120)
        first.close()
        for each in reversed(started):
            jobs.stop(served.artifacts, each)
        stopped = time.monotonic() + 60
        while any(open_run(served.artifacts, e).status().state in ("queued", "training") for e in started) and time.monotonic() < stopped:
            time.sleep(0.2)
        return Load(alone, together, before, during, samples, sum(browsing), states)


def measure(sessions: int = 50, browsers: int = 5, minutes: float = 0.0, think: float = 5.0, quick: bool = False) -> Load:
    """Print the table."""
    sessions, browsers, rounds, think = (6, 0, 2, 0.2) if quick else (sessions, browsers, 3, think)
    found = load(sessions, browsers, rounds, minutes, think, quick)
    print(f"{sessions} sessions and {browsers} browsers; each thinks {think:g} s on average; {os.cpu_count()} processors")
    print(f"trainings meanwhile: {', '.join(f'{n} {state}' for state, n in sorted(found.states.items()))}")
    print("action   alone median     together, as a ratio to it: median    95 %    99 %    answers   kB an answer")
    for name, alone in found.alone.seconds.items():
        one, many = float(np.median(alone)), np.array(found.together.seconds.get(name, [np.nan]))
        ratios = np.percentile(many, [50, 95, 99]) / one
        size = np.mean(found.together.bytes.get(name, [0])) / 1000
        print(f"{name:8} {one:8.3f} s {'':29}" + "".join(f"{r:8.1f}" for r in ratios) + f" {len(many):10,} {size:12,.0f}")
    print(f"exceptions: {len(found.together.exceptions)}, answers of another session: {len(found.together.cross_talk)}, "
          f"actions in browsers: {found.browser_actions}")
    for sentence in [*found.together.exceptions, *found.together.cross_talk][:5]:
        print(f"  {sentence[:300]}")
    each = (found.during - found.before) / max(1, sessions + browsers)
    print(f"server: {found.before:.0f} MiB before, {found.during:.0f} MiB with all open: {each:.1f} MiB a session")
    if len(found.samples) > 6:
        later = np.array(found.samples[len(found.samples) // 3 :])
        print(f"growth over the last two thirds: {np.polyfit(later[:, 0], later[:, 1], 1)[0]:+.2f} MiB a minute")
    return found
