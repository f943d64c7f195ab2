"""A study: one run for every code activation, N_entries and split seed, and the table that sums them up.

``<study>/runs/<activation>-n<N_entries>-s<seed>`` are ordinary run directories. What is done is never
repeated, so a study that was stopped goes on, and one that is asked for more extends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from matrep_core.errors import MatRepError, SettingRefused
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.storage import content_hash
from matrep_core.runs.store import Run, Status
from matrep_core.settings import TrainingSettings
from matrep_core.training import fit, prepare

ENTRIES = (2, 4, 6, 10, 20, 50, 100)  # the research's own
PARTS = ("full", "eval", "train")


@dataclass(frozen=True)
class Job:
    """One run of a study: where it lies and how it is trained."""

    path: Path
    settings: TrainingSettings

    @property
    def place(self) -> tuple[str, int, int]:
        return self.settings.code_activation, self.settings.n_entries, self.settings.seed


def plan(
    study: Path, settings: TrainingSettings, entries: Sequence[int], activations: Sequence[str], seeds: Sequence[int]
) -> list[Job]:
    """Every job of a study, each once, the longest ones first, so that no worker is left with a long one at the end."""
    places = [(a, n, s) for n in sorted(set(entries), reverse=True) for a in dict.fromkeys(activations) for s in seeds]
    return [
        Job(
            Path(study) / "runs" / f"{activation}-n{n}-s{seed}",
            replace(settings, code_activation=activation, n_entries=n, seed=seed).checked(),
        )
        for activation, n, seed in places
    ]


def fit_many(runs: Sequence[Run], workers: int = 2, **options: Any) -> list[Status]:
    """Train prepared runs, ``workers`` at once; how each ended, in their order. ``options`` as in ``at_once``."""
    return at_once([partial(_already, run) for run in runs], workers, **options)


def _already(run: Run) -> Run:
    return run


def at_once(
    runs: Sequence[Callable[[], Run]],
    workers: int,
    *,
    engine: str = "auto",
    stop: Event | None = None,
    ended: Callable[[Run, Status], None] | None = None,
) -> list[Status]:
    """Prepare and train each run on one of ``workers`` threads; how each ended, in their order.

    A run is the same whatever ``workers`` is: it shares nothing with the others, and its linear algebra has one
    thread. Threads suffice, as the compiled steps hold no interpreter lock. A run that fails does not stop the
    others; its status says why. ``stop``, once set, stops those that train at a checkpoint and starts no other:
    these are "stopped" as well. Raises what preparing a run raises.
    """
    stop = stop or Event()

    def one(opened: Callable[[], Run]) -> Status:
        run = opened()

        @contextmanager
        def turn() -> Iterator[bool]:
            yield not stop.is_set()

        def report(_: Status) -> None:
            if stop.is_set():
                (run.path / "stop").touch()

        try:
            status = fit(run, engine=engine, turn=turn, report=report)
        except MatRepError:
            status = run.status()
        if ended:
            ended(run, status)
        return status

    _load_engine()
    # ``fit`` limits the threads of the linear algebra too, but puts the old number back at its end; the number is
    # one for the whole process, so that it must be 1 for as long as any of them trains.
    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(one, opened) for opened in runs]
        try:
            return [each.result() for each in waiting]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _load_engine() -> None:
    """Load the compiled steps before the limit is set: it reaches only libraries that are loaded already."""
    from importlib.util import find_spec

    if find_spec("numba"):
        import matrep_core.model.fast  # noqa: F401


def run_study(
    data: FormulaSet,
    jobs: Sequence[Job],
    workers: int = 2,
    *,
    engine: str = "auto",
    stop: Event | None = None,
    ended: Callable[[Run, Status], None] | None = None,
) -> list[tuple[Job, Status]]:
    """Bring every job to its end that is not there yet; every job with how it stands.

    Raises SettingRefused, before anything trains, where a run of the study was made from other data or settings,
    and what ``prepare`` raises.
    """
    hashed = content_hash(data)
    done: dict[Job, Status] = {}
    for job in jobs:
        if (job.path / "config.json").is_file():
            run = Run(job.path)
            _same(run, job, hashed)
            status = run.status()
            if status.state == "done":
                done[job] = status

    def opened(job: Job) -> Run:
        return Run(job.path) if (job.path / "config.json").is_file() else prepare(job.path, data, job.settings)

    rest = [job for job in jobs if job not in done]
    statuses = at_once([partial(opened, job) for job in rest], workers, engine=engine, stop=stop, ended=ended)
    done |= dict(zip(rest, statuses, strict=True))
    return [(job, done[job]) for job in jobs]


def _same(run: Run, job: Job, hashed: str) -> None:
    wanted = job.settings if job.settings.steps else replace(job.settings, steps=run.settings.steps)
    if content_hash(run.data) != hashed:
        raise SettingRefused("out", str(job.path), "this run of the study was made from other data; choose another folder.")
    for name, value in wanted.to_json().items():
        if (there := run.settings.to_json()[name]) != value:
            raise SettingRefused(
                name, value, f"{job.path.name} of this study was trained with {there!r}; use that, or choose another folder."
            )


def table(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The research's table: for each activation and N_entries two rows, of the step kept and of the last step.

    Each row: activation, n_entries, kept ("best" or "last"), splits (how many runs are done), step (mean), and for
    Full, Eval and Train the mean MAE over the splits in the property's unit and its standard deviation over the
    splits (None for one split alone). Combinations without a run that is done are left out.
    """
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for job in sorted(jobs, key=lambda j: j.place):
        if (job.path / "config.json").is_file() and (run := Run(job.path)).status().state == "done":
            found.setdefault(job.place[:2], []).append(run.kept_model()[1])
    rows = []
    for (activation, n), models in found.items():
        for kept, step, errors in (("best", "step", "scores"), ("last", "last_step", "last_scores")):
            row: dict[str, Any] = {
                "activation": activation, "n_entries": n, "kept": kept, "splits": len(models),
                "step": float(np.mean([model[step] for model in models])),
            }  # fmt: skip
            for part in PARTS:
                mae = [model[errors][part]["mae"] for model in models]
                row[f"{part}_mae"] = float(np.mean(mae))
                row[f"{part}_mae_sd"] = float(np.std(mae, ddof=1)) if len(mae) > 1 else None
            rows.append(row)
    return rows


def in_words(rows: Sequence[dict[str, Any]], property_name: str, unit: str) -> str:
    """The table as text, one line a row."""
    head = f"MAE of {property_name}" + (f" in {unit}" if unit else "") + ", mean ± standard deviation over the splits"
    lines = [head, f"{'activation':10} {'N_entries':>9} {'kept':>5} {'splits':>6} {'step':>8}"]
    lines[1] += "".join(f" {part.capitalize():>19}" for part in PARTS)
    for row in rows:
        line = f"{row['activation']:10} {row['n_entries']:9} {row['kept']:>5} {row['splits']:6} {row['step']:8,.0f}"
        for part in PARTS:
            spread = row[f"{part}_mae_sd"]
            line += f" {row[f'{part}_mae']:>9.4g} ± {spread:<7.3g}" if spread is not None else f" {row[f'{part}_mae']:>9.4g}{'':10}"
        lines.append(line.rstrip())
    return "\n".join(lines)
