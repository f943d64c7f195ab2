"""The engine's speed, side by side with a plain dense torch loop in one process, and its distance to the floor.

All is measured on one core in CPU seconds of this process, which a busy machine disturbs less than the clock
on the wall; only the 21 runs (c) count wall time on two cores. Competitors alternate in short repetitions, and
medians are shown. The seeds are ones on which no setting was chosen.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.dense_loop import DenseLoop
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.evaluation.results import jobs_of
from matrep_core.formulas.schema import FormulaSet, observations
from matrep_core.model.fast import FastEngine, padded
from matrep_core.model.problem import Problem, build_problem
from matrep_core.runs.frames import FrameWriter, frame_steps
from matrep_core.runs.store import Run
from matrep_core.settings import TrainingSettings, from_recipe
from matrep_core.study import ENTRIES, fit_many
from matrep_core.threads import keep_to_one_thread
from matrep_core.training import build_engine, fit, pace_of, prepare

SEED = 101
PROPERTY = "viscosity"
BATCH = 32  # the research's; the default recipe's own is in its settings
clock = time.process_time


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    formulas: int = 1745
    materials: int = 5485
    entries: tuple[int, ...] = (2, 10, 100)
    study_entries: tuple[int, ...] = ENTRIES
    repetitions: int = 7
    steps: int = 0  # of the default recipe; 0 is its own choice
    loop_steps: int = 195_000
    growth: tuple[int, ...] = (1, 10, 100)


QUICK = Sizes(150, 600, (2, 10), (2, 4), 2, 60, 200, (1, 2))


def line(part: str, what: str, measured: str, verdict: str = "") -> None:
    print(f"{part:3} {what:62} {measured:34} {verdict}".rstrip(), flush=True)


def judged(met: bool, target: str, why_not: str = "") -> str:
    return f"{target}: met" if met else f"{target}: NOT met{'; ' + why_not if why_not else ''}"


def medians(repetitions: int, *work: Callable[[], float]) -> list[float]:
    """The median of each piece of work, which take turns; each returns its own measure."""
    found = [[each() for each in work] for _ in range(repetitions + 1)][1:]  # the first warms up
    return [median(column) for column in zip(*found, strict=True)]


def timed(work: Callable[[], Any]) -> float:
    begun = clock()
    work()
    return clock() - begun


class Fast:
    """FastEngine over its own endless passes, as ``fit`` drives it."""

    def __init__(self, problem: Problem, settings: TrainingSettings):
        engine = build_engine("fast", problem, settings)
        assert isinstance(engine, FastEngine)
        self.engine, self.batch, self.step = engine, settings.batch_size, 0
        self._rows, self._random = problem.rows("train", "validation"), np.random.default_rng(SEED)
        self._left = np.empty(0, np.int64)

    def train(self, steps: int) -> None:
        end = self.step + steps
        while self.step < end:
            if not len(self._left):
                self._left = self._random.permutation(self._rows)
            part = self._left[: (end - self.step) * self.batch]
            self.step += self.engine.train(part, self.step)[0]
            self._left = self._left[len(part) :]


def prepared(data: FormulaSet, settings: TrainingSettings, folder: str) -> tuple[Run, Problem]:
    """A run with its real split, and its problem."""
    run = prepare(Path(tempfile.mkdtemp(dir=folder)) / "run", data, settings)
    return run, build_problem(data, observations(data, PROPERTY, ()), run.parts, run.settings)


def dense(data: FormulaSet, problem: Problem, rows: np.ndarray) -> torch.Tensor:
    """(rows, M) float32, in the model's unit of amounts: the loop gets it as a gift."""
    out = torch.zeros(len(rows), problem.materials)
    for i, r in enumerate(rows):
        part = slice(problem.indptr[r], problem.indptr[r + 1])
        out[i, torch.from_numpy(problem.indices[part].astype(np.int64))] = torch.from_numpy(problem.amounts[part])
    return out


def step_time(data: FormulaSet, settings: TrainingSettings, sizes: Sizes, folder: str) -> dict[int, float]:
    """(a); returns the engine's seconds a step for each N_entries."""
    seconds = {}
    for n in sizes.entries:
        run, problem = prepared(data, replace(settings, n_entries=n, batch_size=BATCH), folder)
        rows = problem.rows("train", "validation")
        loop = DenseLoop(dense(data, problem, rows), torch.from_numpy(problem.targets[rows]), n)
        fast = Fast(problem, replace(run.settings, steps=100_000))
        fast.train(200)
        slow, mine = medians(
            sizes.repetitions, lambda: timed(lambda: loop.train(20)) / 20, lambda: timed(lambda: fast.train(200)) / 200
        )
        seconds[n] = mine
        ratio = f"{1e3 * slow:.2f} ms / {1e3 * mine:.3f} ms = {slow / mine:.1f}×"
        line("a", f"step, plain dense loop / engine, batch 32, N_entries {n}", ratio, judged(slow / mine >= 10, "≥ 10×"))
    return seconds


@dataclass(frozen=True)
class Point:
    """How good a model is after some seconds of training."""

    seconds: float
    step: int
    train: float
    eval: float


def course(train: Callable[[int], Any], steps: int, every: int, budget: float, mae: Callable[[], tuple[float, float]]) -> list[Point]:
    """Train to the end or the budget; the errors at every check. Checks cost no time."""
    points, spent = [], 0.0
    for step in range(every, steps + 1, every):
        spent += timed(lambda: train(every))
        points.append(Point(spent, step, *mae()))
        if spent > budget:
            break
    return points


def reached(points: list[Point], train: float, evaluation: float) -> Point | None:
    return next((p for p in points if p.train <= train and p.eval <= evaluation), None)


def equal_quality(data: FormulaSet, settings: TrainingSettings, sizes: Sizes, folder: str, budget: float) -> None:
    """(b)"""
    _, raw = prepared(data, from_recipe("report", property=PROPERTY, seed=SEED), folder)
    run, problem = prepared(data, settings, folder)
    parts = problem.rows("train", "validation"), problem.rows("eval")
    x = [dense(data, problem, rows) for rows in parts]
    steps = run.settings.steps

    def errors(p: Problem, predict: Callable[[int], np.ndarray]) -> tuple[float, float]:
        found = [float(np.abs(p.scale.to_value(predict(i)) - p.values[rows]).mean()) for i, rows in enumerate(parts)]
        return found[0], found[1]

    def loop_course(p: Problem, rates: torch.Tensor | float, batch: int, most: int, every: int, hidden: type[torch.nn.Module]) -> list[Point]:
        loop = DenseLoop(x[0], torch.from_numpy(p.targets[parts[0]]), settings.n_entries, rates, batch, SEED, hidden)
        return course(loop.train, most, every, budget, lambda: errors(p, lambda i: loop.predict(x[i]).numpy()))

    every_plain = max(1, min(1000, sizes.loop_steps // 20))
    plain = loop_course(raw, 1e-3, BATCH, sizes.loop_steps, every_plain, torch.nn.ReLU)
    best = min((p.eval for p in plain if p.train <= 500), default=min(p.eval for p in plain))
    bar = 1.02 * best
    line("b", "plain loop, the research's recipe: lowest eval MAE" + (" at train MAE ≤ 500" if reached(plain, 500, bar) else ""),
         f"{best:,.0f} mPa·s", f"train MAE at its end {plain[-1].train:,.0f}, after {plain[-1].step:,} steps, {plain[-1].seconds:.0f} s"
         + ("" if plain[-1].step + every_plain > sizes.loop_steps else ": cut by --budget, so the ratios are lower bounds"))  # fmt: skip
    rates = torch.from_numpy(pace_of(run.settings)[2][1:])
    every = max(1, steps // 60)
    given = loop_course(problem, rates, settings.batch_size, steps, every, torch.nn.Tanh)
    fast = Fast(problem, run.settings)

    def mine() -> tuple[float, float]:
        fast.engine.vectors(fast.step)
        return errors(problem, lambda i: fast.engine.predict(parts[i]))

    engine = course(fast.train, steps, every, budget, mine)
    names = ("plain loop, the research's recipe", "plain loop, MatRep's recipe", "engine, MatRep's recipe")
    times = {}
    for name, points in zip(names, (plain, given, engine), strict=True):
        there = reached(points, 500, bar)
        times[name] = there.seconds if there else None
        text = f"{there.seconds:.2f} s (step {there.step:,})" if there else f"not within {points[-1].seconds:.1f} s"
        end = points[-1]
        line("b", f"{name}: until train ≤ 500, eval ≤ {bar:,.0f}", text, f"at its end train {end.train:,.0f}, eval {end.eval:,.0f}")
    slow = times[names[0]] or plain[-1].seconds
    sign = "" if times[names[0]] else "> "
    if times[names[2]]:
        ratio = slow / times[names[2]]
        line("b", "time to equal quality, plain loop / engine", f"{sign}{ratio:.0f}×", judged(ratio >= 100, "≥ 100×", "a one-cycle rate fits the training part closely only near its end"))
        if times[names[1]]:
            line("b", "  of which recipe, engine",
                 f"{sign}{slow / times[names[1]]:.1f}×, {times[names[1]] / times[names[2]]:.1f}×")  # fmt: skip
    else:
        line("b", "time to equal quality, plain loop / engine", "-", "≥ 100×: NOT met; the engine did not reach the bar")
    whole = timed(lambda: fit(run))
    line("b", "  whole `fit` with the search of the best step, frames and files", f"{whole:.2f} s",
         f"eval MAE of the kept step {run.scores()['eval']['mae']:,.0f}, train {run.scores()['train']['mae']:,.0f}")  # fmt: skip


def whole_table(data: FormulaSet, settings: TrainingSettings, sizes: Sizes, folder: str) -> None:
    """(c)"""
    for what, recipe in (
        ("with frames and the search of the best step", settings),
        ("with frames, no search: to the last step", replace(settings, validation_share=0.0)),
    ):
        jobs = jobs_of(Path(tempfile.mkdtemp(dir=folder)), recipe, sizes.study_entries, ["tanh"], range(SEED, SEED + 3))
        wall, cpu = time.perf_counter(), clock()
        states = fit_many([prepare(job.path, data, job.settings) for job in jobs], 2)
        wall, cpu = time.perf_counter() - wall, clock() - cpu
        assert all(status.state == "done" for status in states)
        busy = f"; the machine gave {cpu / wall:.2f} of 2 cores, on two free ones about {cpu / 2:.1f} s" if cpu / wall < 1.8 else ""
        steps = sum(status.step for status in states)
        line("c", f"{len(jobs)} runs, one model each, {what}", f"{wall:.1f} s, {cpu:.1f} CPU s",
             judged(wall <= 10, "≤ 10 s", f"the search trains {steps:,} more steps" if recipe is settings else "") + busy)  # fmt: skip
    report = from_recipe("report", property=PROPERTY, seed=SEED, steps=sizes.loop_steps)
    seconds, few = [], min(200, sizes.loop_steps // 20)
    for n in sizes.study_entries:
        run, problem = prepared(data, replace(report, n_entries=n), folder)
        fast = Fast(problem, run.settings)
        seconds += medians(sizes.repetitions, lambda: timed(lambda: fast.train(few)) / few)
    each = sum(seconds) * sizes.loop_steps
    line("c", f"the same by the research's recipe, {sizes.loop_steps:,} steps each, two free cores, from the step times",
         f"{3 * each / 2 / 60:.1f} minutes", "a coffee break")  # fmt: skip


def frame_cost(data: FormulaSet, settings: TrainingSettings, sizes: Sizes, folder: str) -> None:
    """(d)"""
    for n in sizes.entries:
        for name, steps in (("default", 0), ("report", min(3_000, sizes.loop_steps))):
            recipe = from_recipe(name, property=PROPERTY, seed=SEED, n_entries=n, steps=steps, members=0, blend="no")
            run, problem = prepared(data, recipe, folder)
            whole = sizes.loop_steps if name == "report" else run.settings.steps
            fast, writer = Fast(problem, run.settings), FrameWriter(run.path, problem.materials, n, 0)
            training = framing = 0.0
            for step in frame_steps(run.settings.steps, run.settings.frames).tolist():
                training += timed(lambda: fast.train(step - fast.step))
                framing += timed(lambda: writer.append(step, fast.engine.vectors(step)))
            writer.close()
            share = framing / (training * whole / run.settings.steps or 1e-9)
            as_steps = share * whole / writer.written
            why = f"a frame brings {problem.materials:,} rows up to date and writes them, the work of {as_steps:.0f} steps"
            line("d", f"{writer.written} frames as a share of training, recipe {name}, {whole:,} steps, N_entries {n}",
                 f"{100 * share:.2f} %, {1e3 * framing / writer.written:.2f} ms a frame", judged(share < 0.02, "< 2 %", why))  # fmt: skip


def quantisation(data: FormulaSet, settings: TrainingSettings, folder: str) -> None:
    """(d), how many neighbours survive the rounding."""
    run, problem = prepared(data, settings, folder)
    fit(run)
    vectors = run.kept_model()[0]["material_vectors"][run.support > 0]

    def nearest(v: np.ndarray) -> np.ndarray:
        squares = np.einsum("mn,mn->m", v, v)
        distance = squares[:, None] + squares[None, :] - 2 * v @ v.T
        np.fill_diagonal(distance, np.inf)
        return np.argpartition(distance, 10, axis=1)[:, :10]

    exact, found = nearest(vectors.astype(np.float64)), []
    for name, levels in (("int8", 127), ("10 bit", 511), ("12 bit", 2047), ("int16", 32767)):
        scale = np.abs(vectors).max() / levels
        near = nearest(np.rint(vectors / scale).astype(np.float64) * scale)
        kept = np.mean([len(np.intersect1d(a, b)) for a, b in zip(exact, near, strict=True)]) / 10
        found.append((name, kept))
    text = ", ".join(f"{name} {100 * kept:.1f} %" for name, kept in found)
    cheapest = next((name for name, kept in found if kept >= 0.99), "none")
    line("d", f"10 nearest neighbours kept, N_entries {settings.n_entries}", text,
         judged(found[-1][1] >= 0.99, "int16, whole bytes, ≥ 99 %") + f"; the cheapest that does: {cheapest}")  # fmt: skip


def growth(settings: TrainingSettings, sizes: Sizes) -> None:
    """(e); each size in a process of its own, so that the peak of memory is its own."""
    context = multiprocessing.get_context("spawn")
    for factor in sizes.growth:
        with context.Pool(1) as pool:
            rates, before, peak, dense_size = pool.apply(_grown, (settings, sizes, factor))
        text = ", ".join(f"{rate:,.0f}/s at batch {batch}" for batch, rate in rates.items())
        batch = max(rates, key=lambda b: rates[b])
        verdict = judged(rates[batch] >= 150_000, f"≥ 150,000 formulas/s/core, at batch {batch}")
        line("e", f"{factor}× formulas ({factor * sizes.formulas:,}), N_entries {settings.n_entries}", text, verdict)
        line("e", "  peak memory: with the data, and what training adds", f"{before:,.0f} MiB + {peak - before:,.0f} MiB",
             f"a dense matrix alone would take {dense_size:,.0f} MiB")  # fmt: skip


def _grown(settings: TrainingSettings, sizes: Sizes, factor: int) -> tuple[dict[int, float], float, float, float]:
    keep_to_one_thread()
    data = generate_cosmetics(seed=SEED, formulas=factor * sizes.formulas, materials=sizes.materials).data
    parts = np.full(len(data.formula_ids), "train", dtype=object)
    settings = replace(settings, steps=100_000)
    Fast(build_problem(data, observations(data, PROPERTY, ()), parts, settings), settings).train(1)  # loads the compiled step
    before = memory_now("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the data
    problem = build_problem(data, observations(data, PROPERTY, ()), parts, settings)
    rates = {}
    for batch in (BATCH, 256):
        fast = Fast(problem, replace(settings, batch_size=batch))
        steps = max(1, 12_800 // batch)
        rates[batch] = batch * steps / medians(sizes.repetitions, lambda: timed(lambda: fast.train(steps)))[0]
    peak = memory_now("VmHWM")
    return rates, before, peak, 4 * len(problem.targets) * problem.materials / 2**20


def memory_now(name: str) -> float:
    """VmRSS (now) or VmHWM (the peak) of this process in MiB; getrusage would give the parent's peak."""
    status = dict(each.split(":", 1) for each in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].split()[0]) / 1024


def floor(data: FormulaSet, settings: TrainingSettings, sizes: Sizes, folder: str) -> None:
    """(f): the step beside its matrix products and the bytes that it must move, and nothing else."""
    for n in sizes.entries:
        run, problem = prepared(data, replace(settings, n_entries=n, batch_size=BATCH), folder)
        fast = Fast(problem, replace(run.settings, steps=100_000))
        fast.train(200)
        layout, batch = fast.engine.layout, BATCH
        work = [_products(batch, i, o) for i, o in layout.shapes[:-1]]
        rows = problem.rows("train", "validation")[:batch]
        touched = len(np.unique(np.concatenate([problem.indices[problem.indptr[r] : problem.indptr[r + 1]] for r in rows])))
        # each touched row: vector, two moments, code and gradient are read and written; each weight likewise but for the code
        moved = 4 * (5 * touched * padded(n) + 4 * layout.parameters)
        source, target = np.ones(moved // 4, np.float32), np.zeros(moved // 4, np.float32)

        def products() -> float:
            return timed(lambda: [do() for _ in range(100) for do in work]) / 100

        def memory() -> float:
            return timed(lambda: [np.copyto(target, source) for _ in range(100)]) / 100

        mine, gemm, copy = medians(sizes.repetitions, lambda: timed(lambda: fast.train(200)) / 200, products, memory)
        text = f"{1e6 * mine:.0f} µs / ({1e6 * gemm:.0f} + {1e6 * copy:.0f}) µs = {mine / (gemm + copy):.1f}×"
        verdict = judged(mine / (gemm + copy) <= 3, "≤ 3×", "rows: roots, quotients, scattered reads")
        line("f", f"step / (its matrix products + memory traffic), N_entries {n}", text, verdict)


def _products(batch: int, inputs: int, outputs: int) -> Callable[[], None]:
    random = np.random.default_rng(0)
    x, w, y = (random.standard_normal(s, np.float32) for s in ((batch, inputs), (inputs, outputs), (batch, outputs)))
    forward, slopes, back = np.empty_like(y), np.empty_like(w), np.empty_like(x)

    def once() -> None:
        np.dot(x, w, forward)
        np.dot(x.T, y, slopes)
        np.dot(y, w.T, back)

    return once


def measure(*, quick: bool, budget: float, only: str = "") -> None:
    """Print the table."""
    sizes = QUICK if quick else Sizes()
    wanted = only or "abcdef"
    data = generate_cosmetics(seed=SEED, formulas=sizes.formulas, materials=sizes.materials).data
    settings = from_recipe("default", property=PROPERTY, seed=SEED, steps=sizes.steps, members=0, blend="no")
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    print(f"Generated cosmetics, {sizes.formulas:,} formulas × {sizes.materials:,} materials; network N_entries, 128 × 4 layers.")
    print("One thread; CPU seconds but in (c). " + (
        f"The machine is busy with other work (load {load:.1f} on {cores} cores): trust ratios, not times."
        if load > 0.7 * cores else f"Load {load:.1f} on {cores} cores."))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        if "a" in wanted:
            step_time(data, settings, sizes, folder)
        if "b" in wanted:
            equal_quality(data, settings, sizes, folder, 1.0 if quick else budget)
        if "c" in wanted:
            whole_table(data, settings, sizes, folder)
        if "d" in wanted:
            frame_cost(data, settings, sizes, folder)
            quantisation(data, settings, folder)
        if "e" in wanted:
            growth(settings, sizes)
        if "f" in wanted:
            floor(data, settings, sizes, folder)
