"""The engine: one training from its start, or from its last checkpoint, to its end.

``prepare`` splits the formulas and makes the run directory; ``fit`` trains it. A run that was killed at
any moment goes on from its last checkpoint and ends bit by bit as the uninterrupted one: nothing depends
on the clock but the moment of a checkpoint, and every random number comes from the run's own generators.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from matrep_core.errors import MatRepError, RunBroken, SettingRefused, TrainingStopped
from matrep_core.formulas.schema import FormulaSet, observations
from matrep_core.formulas.splits import split_formulas
from matrep_core.model.layout import Layout
from matrep_core.model.problem import Problem, build_problem
from matrep_core.model.scores import scores
from matrep_core.runs.checkpoint import commit_checkpoint, latest_checkpoint, write_sealed
from matrep_core.runs.files import held_lock, write_json
from matrep_core.runs.frames import FrameWriter, frame_steps
from matrep_core.runs.metrics import MetricsWriter
from matrep_core.runs.store import Run, Status, create_run, replace_folder, write_status
from matrep_core.settings import TrainingSettings

CURVES = {"train": ("train", "validation"), "eval": ("eval",)}
CURVE_ROWS = 1024  # the curves of large parts are drawn from a fixed sample of this many measurements
VALIDATION_CHECKS = 100  # how often the validation error is looked at in one training
PASSES, FEWEST_STEPS, MOST_STEPS = 150, 500, 6_000  # what steps = 0 stands for
SECONDS_BETWEEN_CHECKPOINTS = 20.0
SECONDS_BETWEEN_REPORTS = 0.5
FEWEST_FORMULAS = 10


class Engine(Protocol):
    """What ``fit`` asks of FastEngine and ReferenceEngine."""

    name: str
    layout: Layout

    def train(self, order: np.ndarray, step: int) -> tuple[int, float, int]: ...
    def vectors(self, step: int) -> np.ndarray: ...
    def predict(self, rows: np.ndarray) -> np.ndarray: ...
    def regressor(self) -> np.ndarray: ...
    def finite(self) -> bool: ...
    def state(self) -> dict[str, np.ndarray]: ...
    def restore(self, state: dict[str, np.ndarray]) -> None: ...


def prepare(path: Path, data: FormulaSet, settings: TrainingSettings) -> Run:
    """Split the formulas and make the run directory at ``path``; nothing is written where anything is refused.

    Raises SettingRefused, NotThere, DataRefused for settings that do not fit the data, RunBusy for a taken name.
    """
    settings = settings.checked()
    observed = observations(data, settings.property, settings.conditions)
    measured = np.unique(observed.formulas)
    if len(measured) < FEWEST_FORMULAS:
        raise SettingRefused(
            "property", settings.property,
            f"only {len(measured)} formulas have a value of it, and training needs at least {FEWEST_FORMULAS}.",
        )  # fmt: skip
    values = np.bincount(observed.formulas, observed.values)[measured] / np.bincount(observed.formulas)[measured]
    split = split_formulas(data, measured, settings.split, settings.train_share, settings.seed, values)
    parts = np.full(len(data.formula_ids), "", dtype=object)
    parts[split.train], parts[split.eval] = "train", "eval"
    aside = int(round(settings.validation_share * len(split.train)))
    if settings.validation_share and not 1 <= aside < len(split.train):
        raise SettingRefused(
            "validation_share", settings.validation_share,
            f"of {len(split.train)} training formulas it leaves none to validate or none to train; choose another share.",
        )  # fmt: skip
    chosen = _generator(settings.seed, "validation").permutation(len(split.train))[:aside]
    parts[split.train[np.sort(chosen)]] = "validation"
    problem = build_problem(data, observed, parts, settings)
    if not settings.steps:
        settings = replace(settings, steps=_enough_steps(len(problem.rows("train", "validation")), settings.batch_size))
    return create_run(path, data, settings, parts, problem.scale.kind)


def _enough_steps(measurements: int, batch: int) -> int:
    """PASSES over the training part, within MOST_STEPS; measured in ``python -m benchmarks recipe``."""
    return int(np.clip(PASSES * -(-measurements // batch), FEWEST_STEPS, MOST_STEPS))


def fit(
    run: Run,
    *,
    engine: str = "auto",
    report: Callable[[Status], None] | None = None,
    lock: int | None = None,
    turn: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True),
) -> Status:
    """Train a prepared run, or go on with a stopped, failed or killed one; returns how it ended.

    ``engine``: fast, reference, or auto (fast where numba is installed). A file ``stop`` in the run's
    folder asks it to stop at a checkpoint. ``lock`` is the run's lock where the caller holds it already;
    ``turn`` waits until other trainings are through, and gives False where this one was asked to stop meanwhile.
    Raises RunBusy where another process trains the run,
    TrainingStopped at a loss that is not finite, RunBroken where the disk refuses or a checkpoint is damaged.
    """
    with held_lock(run.path / "lock", busy_sentence(run.id), lock):
        before = run.status()
        try:
            (run.path / "stop").unlink(missing_ok=True)
            with turn() as mine:
                if not mine:
                    return _end(run, before, "stopped", "Stopped while it waited. Resume it to go on.")
                training = _Training(run, before, engine, report)
                with threadpool_limits(1):  # small products are slower on two threads, and far slower on a busy machine
                    return training.to_the_end()
        except MatRepError as error:
            _end(run, before, "failed", str(error))
            raise
        except Exception:
            _end(run, before, "failed", "Training ended by a fault of MatRep; its log says more.")
            raise


def busy_sentence(run_id: str) -> str:
    return f"{run_id} is being trained by another process. Wait for it, or stop it first."


def _end(run: Run, before: Status, state: str, message: str) -> Status:
    status = before
    with suppress(OSError, MatRepError):
        now = run.status()
        status = Status(state, now.step, now.steps, now.best_step, now.seconds, message)
        write_status(run.path, status)
    return status


def _generator(seed: int, purpose: str) -> np.random.Generator:
    """An own stream for each purpose, so that a change of one does not shift the others."""
    return np.random.default_rng([seed, *purpose.encode()])


def pace_of(settings: TrainingSettings) -> np.ndarray:
    """(3, steps + 1) float64: rate / (1 - β₁ᵗ), 1 / √(1 - β₂ᵗ) and the learning rate of every step t; t = 0 is unused.

    The one-cycle schedule rises over the first tenth of the steps and falls along a cosine to a thousandth
    (Smith and Topin 2018, "Super-convergence", arXiv:1708.07120).
    """
    t = np.arange(settings.steps + 1, dtype=np.float64)
    if settings.schedule == "constant":
        rate = np.full_like(t, settings.learning_rate)
    else:
        rise = max(1.0, 0.1 * settings.steps)
        up = 0.04 + 0.96 * np.minimum(t / rise, 1.0)
        fall = np.clip((t - rise) / max(1.0, settings.steps - rise), 0.0, 1.0)
        rate = settings.learning_rate * np.where(t < rise, up, 0.001 + 0.999 * 0.5 * (1 + np.cos(np.pi * fall)))
    t[0] = 1
    return np.stack([rate / (1 - 0.9**t), 1 / np.sqrt(1 - 0.999**t), rate])


def build_engine(name: str, problem: Problem, settings: TrainingSettings) -> Engine:
    """The engine of that name at the run's random start; auto falls back to the reference where numba is missing."""
    pace = pace_of(settings)
    start = Layout.of(settings, problem.materials).start(settings, _generator(settings.seed, "start"))
    if name == "auto":
        from importlib.util import find_spec

        name = "fast" if find_spec("numba") else "reference"
    if name == "fast":
        from matrep_core.model.fast import FastEngine

        return FastEngine(problem, settings, pace, start)
    if name == "reference":
        from matrep_core.model.network import ReferenceEngine

        return ReferenceEngine(problem, settings, pace, start)
    raise SettingRefused("engine", name, "choose auto, fast or reference.")


@dataclass(frozen=True, eq=False)
class Search:
    """What the validation part says about the steps: where training ends and which step is kept.

    steps:   (K,) int64 steps at which the validation error was looked at
    mae:     (K,) float64 validation error in the property's unit
    """

    steps: np.ndarray
    mae: np.ndarray
    best_step: int
    last_step: int


def search_best_step(
    problem: Problem, settings: TrainingSettings, engine: Engine, going_on: Callable[[int], bool] = lambda step: True
) -> Search | None:
    """Train on the training part alone and choose the step to keep by the validation part.

    The step kept is the last one whose validation error is not clearly above the lowest: its paired
    difference, measurement by measurement, is within one standard error (the one-standard-error rule of
    Breiman et al. 1984, "Classification and Regression Trees", here for steps). The lowest error itself is
    often an accident of few validation formulas, and a later step has a lower learning rate behind it.
    Training ends early once ``patience`` × steps have passed since the lowest error.

    ``going_on`` is asked at every check; where it says no, the search is dropped and None returned.
    """
    every = max(1, settings.steps // VALIDATION_CHECKS)
    checks = [*range(0, settings.steps, every), settings.steps]
    rows = problem.rows("validation")
    order = _Order(problem.rows("train"), _generator(settings.seed, "search"))
    errors: list[np.ndarray] = []
    means: list[float] = []
    mae: list[float] = []
    step = 0
    for check in checks:
        step = order.advance(engine, step, check, settings.batch_size)
        if step < check:
            break  # no longer finite: the training proper will meet it and say so
        engine.vectors(step)
        predicted = engine.predict(rows)
        errors.append(np.abs(predicted - problem.targets[rows]))
        means.append(float(errors[-1].mean()))
        mae.append(float(np.abs(problem.scale.to_value(predicted) - problem.values[rows]).mean()))
        if not going_on(step):
            return None
        if step - checks[int(np.argmin(means))] > settings.patience * settings.steps:
            break
    excess = np.array(errors) - errors[int(np.argmin(means))]  # (K, rows)
    noise = excess.std(axis=1) / np.sqrt(len(rows))
    best = int(np.flatnonzero(excess.mean(axis=1) <= noise)[-1])
    return Search(np.array(checks[: len(mae)]), np.array(mae), checks[best], checks[len(mae) - 1])


class _Order:
    """The measurements in the order in which they train: a new permutation for every pass."""

    def __init__(self, rows: np.ndarray, generator: np.random.Generator):
        self.rows, self._generator = rows, generator
        self.begin_pass(generator.bit_generator.state)

    def begin_pass(self, state: dict[str, Any], cursor: int = 0) -> None:
        """Draw the pass that the generator's ``state`` stands before, and go to its measurement ``cursor``."""
        self._generator.bit_generator.state = self.state = state
        self.order = self._generator.permutation(self.rows)
        self.cursor = cursor

    def advance(self, engine: Engine, step: int, until: int, batch: int, count: Callable[[float, int], None] | None = None) -> int:
        """Train up to the step ``until``; returns the step reached, lower where a loss was not finite."""
        while step < until:
            step, finite = self.advance_in_pass(engine, step, until, batch, count)
            if not finite:
                break
        return step

    def advance_in_pass(
        self, engine: Engine, step: int, until: int, batch: int, count: Callable[[float, int], None] | None = None
    ) -> tuple[int, bool]:
        """Train within one pass, up to the step ``until`` at most; returns the step and whether all losses were finite."""
        if self.cursor >= len(self.order):
            self.begin_pass(self._generator.bit_generator.state)
        part = self.order[self.cursor : self.cursor + (until - step) * batch]
        done, loss, seen = engine.train(part, step)
        self.cursor += seen
        if count:
            count(loss, seen)
        return step + done, seen == len(part)

    def coming(self, batch: int) -> np.ndarray:
        return self.order[self.cursor : self.cursor + batch]

    def gone(self, batch: int) -> np.ndarray:
        return self.order[max(0, self.cursor - batch) : self.cursor]


class _Training:
    """The state of one session of training; everything in it that matters for resuming is in ``_commit``."""

    def __init__(self, run: Run, before: Status, engine: str, report: Callable[[Status], None] | None):
        self.run, self.settings, self.report = run, run.settings, report
        data = run.data
        observed = observations(data, self.settings.property, self.settings.conditions)
        self.problem = build_problem(data, observed, run.parts, self.settings)
        checkpoint = latest_checkpoint(run.path)
        self.engine_name = checkpoint.facts["engine"] if checkpoint else engine
        self.engine = build_engine(self.engine_name, self.problem, self.settings)
        self.rates = pace_of(self.settings)[2]
        self.curves = {part: self._curve_rows(*parts) for part, parts in CURVES.items()}
        self.order = _Order(self.problem.rows("train", "validation"), _generator(self.settings.seed, "order"))
        self.search: Search | None = None
        self.best: tuple[np.ndarray, np.ndarray] | None = None
        self.step, self.loss_sum, self.loss_seen = 0, 0.0, 0
        frames, metrics = 0, 0
        if checkpoint:
            frames, metrics = self._restore(checkpoint.step, checkpoint.tensors, checkpoint.facts)
        self.frames = FrameWriter(run.path, self.problem.materials, self.settings.n_entries, frames)
        self.metrics = MetricsWriter(run.path, metrics)
        self.seconds_before, self.begun = before.seconds, time.monotonic()
        self.last_commit, self.last_report = self.begun, 0.0

    def _curve_rows(self, *parts: str) -> np.ndarray:
        rows = self.problem.rows(*parts)
        if len(rows) <= CURVE_ROWS:
            return rows
        return np.sort(_generator(self.settings.seed, f"curve {parts}").choice(rows, CURVE_ROWS, replace=False))

    @property
    def best_step(self) -> int | None:
        return self.search.best_step if self.search else None

    def to_the_end(self) -> Status:
        try:
            self._tell("training")
            if self.settings.validation_share and not self.search and not self._search():
                return self._tell("stopped", "Stopped while it searched the best step. Resume it to start over.")
            end = self.search.last_step if self.search else self.settings.steps
            framed = set(frame_steps(end, self.settings.frames).tolist())
            events = sorted(framed | {end} | ({self.best_step} if self.search else set()))
            for event in events:
                if event < self.step or (event == self.step and self.frames.written):
                    continue
                if not self._train_until(event):
                    return self._finish("stopped", "Stopped on request. Resume it to go on.")
                self._event(event, event in framed)
            return self._finish("done", "")
        finally:
            self.frames.close()
            self.metrics.close()

    def _search(self) -> bool:
        """Find the step to keep; False where the user asked to stop meanwhile."""

        def going_on(step: int) -> bool:
            if time.monotonic() - self.last_report > SECONDS_BETWEEN_REPORTS:
                self._tell("training", f"Searching the best step on the validation part: step {step:,} of {self.settings.steps:,}.")
            return not (self.run.path / "stop").exists()

        engine = build_engine(self.engine_name, self.problem, self.settings)
        self.search = search_best_step(self.problem, self.settings, engine, going_on)
        return self.search is not None

    def _train_until(self, event: int) -> bool:
        """Train up to the step ``event``; False where the user asked to stop before it.

        Stops and checkpoints come before a batch, never between the last batch and its event, so that what
        goes on from a checkpoint meets every event.
        """

        def count(loss: float, seen: int) -> None:
            self.loss_sum += loss
            self.loss_seen += seen

        while self.step < event:
            now = time.monotonic()
            if now - self.last_report > SECONDS_BETWEEN_REPORTS:
                self._tell("training")
                if (self.run.path / "stop").exists():
                    return False
            if now - self.last_commit > SECONDS_BETWEEN_CHECKPOINTS:
                self._commit()
            batch = self.settings.batch_size
            self.step, finite = self.order.advance_in_pass(self.engine, self.step, event, batch, count)
            if not finite:
                raise self._not_finite(self.order.coming(batch))
        return True

    def _event(self, step: int, framed: bool) -> None:
        vectors = self.engine.vectors(step)
        if not self.engine.finite():
            raise self._not_finite(self.order.gone(self.settings.batch_size))
        if step == self.best_step:
            self.best = vectors.copy(), self.engine.regressor().copy()
        if not framed:
            return
        self.frames.append(step, vectors)
        row: dict[str, Any] = {
            "step": step,
            "learning_rate": float(self.rates[step]),
            "train_loss": self.loss_sum / self.loss_seen if self.loss_seen else None,
            "validation_mae": self._validation_mae(step),
        }
        for part, rows in self.curves.items():
            row[f"{part}_mae"] = self._mae(rows)
        self.metrics.append({**row, "seconds": round(self._seconds(), 3)})
        self.loss_sum, self.loss_seen = 0.0, 0

    def _validation_mae(self, step: int) -> float | None:
        """The validation error of the search at ``step``, between its checks in proportion."""
        return float(np.interp(step, self.search.steps, self.search.mae)) if self.search else None

    def _mae(self, rows: np.ndarray) -> float | None:
        if not len(rows):
            return None
        return float(np.abs(self.problem.scale.to_value(self.engine.predict(rows)) - self.problem.values[rows]).mean())

    def _not_finite(self, rows: np.ndarray) -> TrainingStopped:
        guilty = rows[~np.isfinite(self.engine.predict(rows) - self.problem.targets[rows])]
        named = guilty if len(guilty) else rows
        ids = [self.run.data.formula_ids[f] for f in dict.fromkeys(self.problem.formulas[named].tolist())]
        shown = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
        return TrainingStopped(
            f"Training stopped at step {self.step + 1}: the loss or a gradient was no longer a finite number, "
            f"in a batch with the formulas {shown}. Lower the learning rate, or look at these formulas."
        )

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.begun

    def _tell(self, state: str, message: str = "") -> Status:
        steps = self.search.last_step if self.search else self.settings.steps
        status = Status(state, self.step, steps, self.best_step, round(self._seconds(), 2), message)
        write_status(self.run.path, status)
        self.last_report = time.monotonic()
        if self.report:
            self.report(status)
        return status

    def _commit(self) -> None:
        if not self.engine.finite():
            raise self._not_finite(self.order.gone(self.settings.batch_size))
        self.frames.sync()
        self.metrics.sync()
        tensors = dict(self.engine.state())
        if self.best:
            tensors |= {"best/vectors": self.best[0], "best/regressor": self.best[1]}
        if self.search:
            tensors |= {"search/steps": self.search.steps, "search/mae": self.search.mae}
        facts = {
            "engine": self.engine.name, "order_state": self.order.state, "cursor": self.order.cursor,
            "loss_sum": self.loss_sum, "loss_seen": self.loss_seen,
            "search": [self.search.best_step, self.search.last_step] if self.search else None,
            "frames": self.frames.written, "metrics": self.metrics.written,
        }  # fmt: skip
        commit_checkpoint(self.run.path, self.step, tensors, facts)
        self.last_commit = time.monotonic()

    def _restore(self, step: int, tensors: dict[str, np.ndarray], facts: dict[str, Any]) -> tuple[int, int]:
        try:
            self.engine.restore(tensors)
            self.step = step
            self.order.begin_pass(facts["order_state"], int(facts["cursor"]))
            self.loss_sum, self.loss_seen = float(facts["loss_sum"]), int(facts["loss_seen"])
            if facts["search"]:
                self.search = Search(tensors["search/steps"], tensors["search/mae"], *map(int, facts["search"]))
            if "best/vectors" in tensors:
                self.best = tensors["best/vectors"], tensors["best/regressor"]
            return int(facts["frames"]), int(facts["metrics"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunBroken(f"{self.run.id}: its checkpoint does not fit its settings ({error}). Delete the run.") from None

    def _finish(self, state: str, message: str) -> Status:
        self._commit()
        self._keep_model()
        return self._tell(state, message)

    def _keep_model(self) -> None:
        """Write the model that views read: the best step's where training has reached it, else the last."""
        problem, everything = self.problem, np.arange(len(self.problem.targets))
        last = self.engine.vectors(self.step).copy(), self.engine.regressor().copy()
        last_predicted = self._predict_with(*last, everything)
        kept_step, kept, predicted = self.step, last, last_predicted
        if self.best and self.best_step is not None and self.best_step != self.step:
            kept_step, kept = self.best_step, self.best
            predicted = self._predict_with(*kept, everything)
        facts = {
            "step": kept_step, "last_step": self.step, "engine": self.engine.name, **problem.facts(),
            "scores": self._scores(predicted), "last_scores": self._scores(last_predicted),
            "mean_predictor": self._scores(self._training_mean())["eval"],
        }  # fmt: skip
        tensors = {
            "material_vectors": kept[0], "regressor": kept[1], "formula": problem.formulas,
            "measured": problem.values, "predicted": predicted,
        }  # fmt: skip
        replace_folder(self.run.path / "model", lambda folder: write_sealed(folder, tensors, facts))
        write_json(self.run.path / "scores.json", facts["scores"])

    def _predict_with(self, vectors: np.ndarray, regressor: np.ndarray, rows: np.ndarray) -> np.ndarray:
        from matrep_core.model.predicting import predict_rows

        return self.problem.scale.to_value(predict_rows(self.problem, self.settings, vectors, regressor, rows))

    def _training_mean(self) -> np.ndarray:
        mean = self.problem.values[self.problem.rows("train", "validation")].mean()
        return np.full(len(self.problem.values), mean)

    def _scores(self, predicted: np.ndarray) -> dict[str, Any]:
        parts = {"full": ("train", "validation", "eval"), "eval": ("eval",), "train": ("train", "validation")}
        log_scale = self.problem.scale.kind == "log"
        chosen = {name: self.problem.rows(*members) for name, members in parts.items()}
        return {n: scores(self.problem.values[r], predicted[r], log_scale=log_scale) for n, r in chosen.items()}
