"""How the cost grows: the generated set at 1, 10 and 100 times its formulas, and at 1, 10 and 100 times its materials.

Each size runs in a process of its own, so that its peak of memory is its own. What a cost is held against is the
growth of the non-zero amounts (a formula's materials), or of the materials: the last column gives cost divided by
that growth, against the smallest size; 1 is linear, below 1 is better. Pages are opened over a websocket on a real
server, the second time that a session asks, as a chemist meets them who comes back.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.client import Session
from benchmarks.engine import PROPERTY, Fast, memory_now
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.schema import observations
from matrep_core.model.problem import build_problem
from matrep_core.runs.store import Run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.threads import keep_to_one_thread
from matrep_core.training import fit, prepare
from matrep_core.views.neighbours import Points
from matrep_core.views.projection import pca_basis, umap
from tests.browser.serving import ROOT, running

SEED = 101
FORMULAS, MATERIALS = 1745, 5485
FACTORS = (1, 10, 100)
MOST_FOR_UMAP = 60_000  # materials; above, a layout takes many minutes on two cores
RUNS = (1, 200)
PAGES = ("data", "train", "evaluate", "dynamics", "materials", "similar")

Costs = dict[str, float]


def _seconds(work: Callable[[], Any], times: int = 3) -> float:
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return float(np.median(spent))


def _size_on_disk(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def _core(formulas: int, materials: int, steps: int, root: Path) -> Costs:
    """What the core costs at one size; leaves the run behind as ``scaled`` below ``root``."""
    keep_to_one_thread()
    data = generate_cosmetics(seed=SEED, formulas=formulas, materials=materials).data
    settings = from_recipe("default", property=PROPERTY, seed=SEED, members=0, blend="no", validation_share=0.0, steps=steps, frames=32)
    parts = np.full(formulas, "train", dtype=object)
    problem = build_problem(data, observations(data, PROPERTY, ()), parts, settings)
    fast = Fast(problem, settings)
    fast.train(1)
    passed = -(-len(problem.rows("train")) // settings.batch_size)
    few = max(1, min(passed, steps - 1))
    begun = time.process_time()
    fast.train(few)
    a_pass = (time.process_time() - begun) * passed / few
    del fast, problem
    before = memory_now("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the data
    begun = time.perf_counter()
    run = prepare(runs_folder(root) / "scaled", data, settings)
    prepared = time.perf_counter() - begun
    fit(run)
    found: Costs = {
        "nonzeros": float(data.amounts.nnz), "pass (CPU s)": a_pass, "splitting and writing (s)": prepared,
        "memory: the data (MiB)": before, "memory: what training adds (MiB)": memory_now("VmHWM") - before,
        "dense matrix (MiB)": 4 * formulas * materials / 2**20, "run on disk (MiB)": _size_on_disk(run.path),
    }  # fmt: skip
    vectors, trained = run.vectors(), np.flatnonzero(run.support > 0)
    points = Points(vectors, "cosine")
    query = int(np.argmax(run.support))
    found["neighbours of one material (ms)"] = 1e3 * _seconds(lambda: points.nearest(query, 10), 9)
    found["opening a stored run (s)"] = _seconds(lambda: Run(run.path).data)
    found["PCA of one step (s)"] = _seconds(lambda: pca_basis(vectors, 2))
    if len(trained) <= MOST_FOR_UMAP:
        umap(vectors[trained][:100], 2)  # compiles
        found["UMAP of the trained materials (s)"] = _seconds(lambda: umap(vectors[trained], 2), 1)
    return found


def _pages(root: Path, url: str) -> Costs:
    """Seconds until each page has come a second time to a session, the run ``scaled`` chosen."""
    session, found = Session(url), {}
    for page in PAGES:
        session.open(page, "run=scaled")
        answer = session.open(page, "run=scaled")
        assert not answer.exceptions, answer.exceptions
        found[f"page {page} (s)"], found[f"page {page} (MB sent)"] = answer.seconds, answer.bytes / 1e6
    session.close()
    return found


def _measured(formulas: int, materials: int, steps: int) -> Costs:
    with tempfile.TemporaryDirectory() as folder, running(ROOT / "app.py", Path(folder)) as served:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(_core, (formulas, materials, steps, served.artifacts))
        return found | _pages(served.artifacts, served.url)


def _print(title: str, sizes: list[int], costs: list[Costs], growth: list[float], what: str) -> None:
    print(f"\n{title}")
    print(f"{'':36}" + "".join(f"{size:>14,}" for size in sizes) + f"   cost / growth of {what}")
    for name in costs[0]:
        cells = [each.get(name, float("nan")) for each in costs]
        shown = "".join(f"{'-' if np.isnan(v) else f'{v:,.3g}' if v < 1000 else f'{v:,.0f}':>14}" for v in cells)
        last = next(i for i in reversed(range(len(cells))) if not np.isnan(cells[i]))
        ratio = cells[last] / max(cells[0], 1e-9) / growth[last]
        print(f"{name:36}{shown}   {ratio:.2f}" + ("" if last == len(cells) - 1 else f" (at {sizes[last]:,})"), flush=True)


def many_runs(runs: tuple[int, ...], steps: int) -> None:
    """Pages with few and with many runs on disk, and with few and with many frames in the run that is looked at."""
    data = generate_cosmetics(seed=SEED, formulas=200, materials=600).data

    def pages(count: int, frames: int) -> Costs:
        with tempfile.TemporaryDirectory() as folder, running(ROOT / "app.py", Path(folder)) as served:
            settings = from_recipe("default", property=PROPERTY, members=0, blend="no", steps=steps, frames=frames)
            for number in range(count):
                fit(prepare(runs_folder(served.artifacts) / ("scaled" if number == 0 else f"other-{number}"), data, settings))
            return _pages(served.artifacts, served.url)

    few, frames = 8, 200
    columns = [(runs[0], few), (runs[1], few), (runs[0], frames)]
    found = [pages(*column) for column in columns]
    print("\nPages beside many runs and many frames (a small data set)")
    print(f"{'':24}" + "".join(f"{f'{r} runs, {f} frames':>22}" for r, f in columns) + f"   {runs[1]} runs / {runs[0]}, {frames} frames / {few}")
    for page in PAGES:
        seconds = [each[f"page {page} (s)"] for each in found]
        print(f"{page:24}" + "".join(f"{s:>20.3f} s" for s in seconds) + f"   {seconds[1] / seconds[0]:.2f}, {seconds[2] / seconds[0]:.2f}", flush=True)


def measure(*, quick: bool, only: str = "") -> None:
    """Print the tables: f for formulas, m for materials, r for runs."""
    factors = (1, 2) if quick else FACTORS
    formulas, materials, steps = (200, 600, 40) if quick else (FORMULAS, MATERIALS, 500)
    wanted = only or "fmr"
    if "f" in wanted:
        sizes = [factor * formulas for factor in factors]
        costs = [_measured(size, materials, steps) for size in sizes]
        nonzeros = [each["nonzeros"] / costs[0]["nonzeros"] for each in costs]
        _print(f"Formulas, with {materials:,} materials", sizes, costs, nonzeros, "the non-zero amounts")
    if "m" in wanted:
        sizes, many = [factor * materials for factor in factors], factors[-1] * formulas  # fewer could not hold so many
        costs = [_measured(many, size, steps) for size in sizes]
        _print(f"Materials, in {many:,} formulas", sizes, costs, [float(f) for f in factors], "the materials")
    if "r" in wanted:
        many_runs((1, 6) if quick else RUNS, 40)
