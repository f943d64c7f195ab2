"""The engine: one training from its start, or from its last checkpoint, to its end.

``prepare`` splits the formulas and makes the run directory; ``fit`` trains it. A run that was killed at
any moment goes on from its last checkpoint and ends bit by bit as the uninterrupted one: nothing depends
on the clock but the moment of a checkpoint, and every random number comes from the run's own generators.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

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

CURVE_ROWS = 1024  # the curves of large parts are drawn from a fixed sample of this many measurements
VALIDATION_CHECKS = 200  # how often the validation error is looked at in one training
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
    split = split_formulas(data, measured, settings.split, settings.train_share, settings.seed)
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
    return create_run(path, data, settings, parts, problem.scale.kind)


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
                return _Training(run, before, engine, report).to_the_end()
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


@dataclass
class _Best:
    """The best step so far by the validation error, and the model at it."""

    step: int | None = None
    error: float = np.inf
    vectors: np.ndarray | None = None
    regressor: np.ndarray | None = None


class _Training:
    """The state of one session of training; everything in it that matters for resuming is in ``_commit``."""

    def __init__(self, run: Run, before: Status, engine: str, report: Callable[[Status], None] | None):
        self.run, self.settings, self.report = run, run.settings, report
        data = run.data
        observed = observations(data, self.settings.property, self.settings.conditions)
        self.problem = build_problem(data, observed, run.parts, self.settings)
        checkpoint = latest_checkpoint(run.path)
        self.engine = build_engine(checkpoint.facts["engine"] if checkpoint else engine, self.problem, self.settings)
        self.rates = pace_of(self.settings)[2]
        self.train_rows = self.problem.rows("train")
        self.curves = {part: self._curve_rows(part) for part in ("train", "validation", "eval")}
        self.validation = self.problem.rows("validation")
        self.order_generator = _generator(self.settings.seed, "order")
        self.best, self.step, self.cursor = _Best(), 0, 0
        self.loss_sum, self.loss_seen = 0.0, 0
        frames, metrics = 0, 0
        if checkpoint:
            frames, metrics = self._restore(checkpoint.step, checkpoint.tensors, checkpoint.facts)
        else:
            self.order_state = self.order_generator.bit_generator.state
            self.order = self.order_generator.permutation(self.train_rows)
        self.frames = FrameWriter(run.path, self.problem.materials, self.settings.n_entries, frames)
        self.metrics = MetricsWriter(run.path, metrics)
        self.seconds_before, self.begun = before.seconds, time.monotonic()
        self.last_commit, self.last_report = self.begun, 0.0

    def _curve_rows(self, part: str) -> np.ndarray:
        rows = self.problem.rows(part)
        if len(rows) <= CURVE_ROWS:
            return rows
        return np.sort(_generator(self.settings.seed, f"curve {part}").choice(rows, CURVE_ROWS, replace=False))

    def to_the_end(self) -> Status:
        steps = self.settings.steps
        framed = set(frame_steps(steps, self.settings.frames).tolist())
        checked = set(range(0, steps + 1, max(1, steps // VALIDATION_CHECKS))) if len(self.validation) else set()
        events = sorted(framed | checked | {steps})
        try:
            self._tell("training")
            if self.step == 0 and not self.frames.written:
                self._event(0, framed, checked)
            for event in events:
                if event <= self.step:
                    continue
                if not self._train_until(event):
                    return self._finish("stopped", "Stopped on request. Resume it to go on.")
                self._event(event, framed, checked)
                if self.best.step is not None and self.step - self.best.step >= self.settings.patience * steps:
                    break
            return self._finish("done", "")
        finally:
            self.frames.close()
            self.metrics.close()

    def _train_until(self, event: int) -> bool:
        """Train up to the step ``event``; False where the user asked to stop before it."""
        batch = self.settings.batch_size
        while self.step < event:
            if self.cursor >= len(self.order):
                self.order_state = self.order_generator.bit_generator.state
                self.order = self.order_generator.permutation(self.train_rows)
                self.cursor = 0
            part = self.order[self.cursor : self.cursor + (event - self.step) * batch]
            done, loss, seen = self.engine.train(part, self.step)
            self.step += done
            self.cursor += seen
            self.loss_sum += loss
            self.loss_seen += seen
            if seen < len(part):
                raise self._not_finite(part[seen : seen + batch])
            now = time.monotonic()
            if now - self.last_report > SECONDS_BETWEEN_REPORTS:
                self._tell("training")
                if (self.run.path / "stop").exists():
                    return False
            if now - self.last_commit > SECONDS_BETWEEN_CHECKPOINTS:
                self._commit()
        return True

    def _event(self, step: int, framed: set[int], checked: set[int]) -> None:
        vectors = self.engine.vectors(step)
        if not self.engine.finite():
            raise self._not_finite(self.order[max(0, self.cursor - self.settings.batch_size) : self.cursor])
        if step in checked:
            rows = self.validation
            error = float(np.abs(self.engine.predict(rows) - self.problem.targets[rows]).mean())
            if error < self.best.error:
                self.best = _Best(step, error, vectors.copy(), self.engine.regressor().copy())
        if step in framed:
            self.frames.append(step, vectors)
            row: dict[str, Any] = {
                "step": step,
                "learning_rate": float(self.rates[step]),
                "train_loss": self.loss_sum / self.loss_seen if self.loss_seen else None,
            }
            for part, rows in self.curves.items():
                row[f"{part}_mae"] = self._mae(rows)
            self.metrics.append({**row, "seconds": round(self._seconds(), 3)})
            self.loss_sum, self.loss_seen = 0.0, 0

    def _mae(self, rows: np.ndarray) -> float | None:
        if not len(rows):
            return None
        return float(np.abs(self.problem.scale.to_value(self.engine.predict(rows)) - self.problem.values[rows]).mean())

    def _not_finite(self, rows: np.ndarray) -> TrainingStopped:
        ids = [self.run.data.formula_ids[f] for f in dict.fromkeys(self.problem.formulas[rows].tolist())]
        shown = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
        return TrainingStopped(
            f"Training stopped at step {self.step + 1}: the loss or a gradient was no longer a finite number, "
            f"in a batch with the formulas {shown}. Lower the learning rate, or look at these formulas."
        )

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.begun

    def _tell(self, state: str, message: str = "") -> Status:
        status = Status(state, self.step, self.settings.steps, self.best.step, round(self._seconds(), 2), message)
        write_status(self.run.path, status)
        self.last_report = time.monotonic()
        if self.report:
            self.report(status)
        return status

    def _commit(self) -> None:
        if not self.engine.finite():
            raise self._not_finite(self.order[max(0, self.cursor - self.settings.batch_size) : self.cursor])
        self.frames.sync()
        self.metrics.sync()
        tensors = dict(self.engine.state())
        if self.best.step is not None:
            tensors |= {"best/vectors": self.best.vectors, "best/regressor": self.best.regressor}
        facts = {
            "engine": self.engine.name, "order_state": self.order_state, "cursor": self.cursor,
            "loss_sum": self.loss_sum, "loss_seen": self.loss_seen,
            "best_step": self.best.step, "best_error": None if self.best.step is None else self.best.error,
            "frames": self.frames.written, "metrics": self.metrics.written,
        }  # fmt: skip
        commit_checkpoint(self.run.path, self.step, tensors, facts)
        self.last_commit = time.monotonic()

    def _restore(self, step: int, tensors: dict[str, np.ndarray], facts: dict[str, Any]) -> tuple[int, int]:
        try:
            self.engine.restore(tensors)
            self.step, self.cursor, self.order_state = step, int(facts["cursor"]), facts["order_state"]
            self.loss_sum, self.loss_seen = float(facts["loss_sum"]), int(facts["loss_seen"])
            self.order_generator.bit_generator.state = self.order_state
            self.order = self.order_generator.permutation(self.train_rows)
            if facts["best_step"] is not None:
                best = tensors["best/vectors"], tensors["best/regressor"]
                self.best = _Best(facts["best_step"], facts["best_error"], *best)
            return int(facts["frames"]), int(facts["metrics"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunBroken(f"{self.run.id}: its checkpoint does not fit its settings ({error}). Delete the run.") from None

    def _finish(self, state: str, message: str) -> Status:
        self._commit()
        self._keep_model()
        return self._tell(state, message)

    def _keep_model(self) -> None:
        """Write the model that views read: the best step's where there is a validation part, else the last."""
        problem, everything = self.problem, np.arange(len(self.problem.targets))
        last = self.engine.vectors(self.step).copy(), self.engine.regressor().copy()
        last_predicted = self._predict_with(*last, everything)
        kept_step, kept, predicted = self.step, last, last_predicted
        if self.best.step is not None and self.best.step != self.step:
            kept_step, kept = self.best.step, (self.best.vectors, self.best.regressor)
            predicted = self._predict_with(*kept, everything)
        facts = {
            "step": kept_step, "last_step": self.step, "engine": self.engine.name, **problem.facts(),
            "scores": self._scores(predicted), "last_scores": self._scores(last_predicted),
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

    def _scores(self, predicted: np.ndarray) -> dict[str, Any]:
        parts = {"full": ("train", "validation", "eval"), "eval": ("eval",), "train": ("train", "validation")}
        log_scale = self.problem.scale.kind == "log"
        chosen = {name: self.problem.rows(*members) for name, members in parts.items()}
        return {n: scores(self.problem.values[r], predicted[r], log_scale=log_scale) for n, r in chosen.items()}
