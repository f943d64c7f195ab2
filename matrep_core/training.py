"""The engine: one training from its start, or from its last checkpoint, to its end.

``prepare`` splits the formulas and makes the run directory; ``fit`` trains it. A run that was killed at
any moment goes on from its last checkpoint and ends bit by bit as the uninterrupted one: nothing depends
on the clock but the moment of a checkpoint, and every random number comes from the run's own generators.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from matrep_core.errors import MatRepError, RunBroken, SettingRefused, TrainingStopped
from matrep_core.formulas.schema import FormulaSet, observations
from matrep_core.folds import FOLDER, FoldModel, assign_folds, train_fold_models
from matrep_core.formulas.splits import split_formulas
from matrep_core.model.engine import Engine, Order, build_engine, pace_of
from matrep_core.model.ensemble import Ensemble, fit_ensemble, lone
from matrep_core.model.problem import COMPANION, build_problem
from matrep_core.model.scores import scores
from matrep_core.model.search import Search, best_step, watched_training
from matrep_core.runs.checkpoint import commit_checkpoint, latest_checkpoint, write_sealed
from matrep_core.runs.files import held_lock, overwrite_json, write_json
from matrep_core.runs.frames import FrameWriter, frame_steps
from matrep_core.runs.metrics import MetricsWriter
from matrep_core.runs.store import Run, Status, create_run, replace_folder, write_status
from matrep_core.sampling import at_most, generator
from matrep_core.settings import TrainingSettings
from matrep_core.threads import one_thread

CURVES = {"train": ("train", "validation"), "eval": ("eval",)}
CURVE_ROWS = 512  # the curves of large parts are drawn from a fixed sample of this many measurements
PASSES, FEWEST_STEPS, MOST_STEPS = 50, 500, 6_000  # what steps = 0 stands for
SECONDS_BETWEEN_CHECKPOINTS = 20.0
SECONDS_BETWEEN_REPORTS = 0.5
FEWEST_FORMULAS = 10


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
    split = split_formulas(
        data, measured, settings.split, settings.train_share, settings.seed, values, settings.group_by
    )  # fmt: skip
    parts = np.full(len(data.formula_ids), "", dtype=object)
    parts[split.train], parts[split.eval] = "train", "eval"
    most = len(split.train) // 2  # folds of fewer than two formulas say nothing
    settings = replace(settings, members=min(settings.members, most) if most >= 2 else 0)
    aside = 0 if settings.members else int(round(settings.validation_share * len(split.train)))
    if settings.validation_share and not settings.members and not 1 <= aside < len(split.train):
        raise SettingRefused(
            "validation_share", settings.validation_share,
            f"of {len(split.train)} training formulas it leaves none to validate or none to train; choose another share.",
        )  # fmt: skip
    chosen = generator(settings.seed, "validation").permutation(len(split.train))[:aside]
    parts[split.train[np.sort(chosen)]] = "validation"
    problem = build_problem(data, observed, parts, settings)
    if not settings.steps:
        settings = replace(settings, steps=_enough_steps(len(problem.rows("train", "validation", COMPANION)), settings.batch_size))
    folds = assign_folds(data, split.train, values[np.searchsorted(measured, split.train)], settings)
    return create_run(path, data, settings, parts, folds, problem.scale.kind)


def _enough_steps(measurements: int, batch: int) -> int:
    """PASSES over the training part, within MOST_STEPS; measured in ``python -m benchmarks recipe``."""
    return int(np.clip(PASSES * -(-measurements // batch), FEWEST_STEPS, MOST_STEPS))


def fit(
    run: Run,
    *,
    engine: str = "auto",
    device: str = "auto",
    report: Callable[[Status], None] | None = None,
    lock: int | None = None,
    workers: int = 0,
    turn: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True),
) -> Status:
    """Train a prepared run, or go on with a stopped, failed or killed one; returns how it ended.

    ``engine``: fast, reference, or auto (fast where numba is installed); ``device``: where the reference computes, cpu,
    cuda or auto. A file ``stop`` in the run's folder asks it to stop at a checkpoint. ``lock`` is the run's lock where the caller holds it already;
    ``workers`` fold models train at once, 0 for as many as there are cores; they do not change the result;
    ``turn`` waits until other trainings are through, and gives False where this one was asked to stop meanwhile.
    Raises RunBusy where another process trains the run,
    TrainingStopped at a loss that is not finite, RunBroken where the disk refuses or a checkpoint is damaged.
    """
    with held_lock(run.path / "lock", busy_sentence(run.id), lock):
        before = run.status()
        try:
            if lock is None:  # whoever took the lock removed an old one, and may have been asked to stop since
                (run.path / "stop").unlink(missing_ok=True)
            with turn() as mine:
                if not mine:
                    return _end(run, before, "stopped", "Stopped while it waited. Resume it to go on.")
                training = _Training(run, before, engine, device, report, workers or os.cpu_count() or 1)
                with one_thread():  # small products are slower on two threads, and far slower on a busy machine
                    return training.to_the_end()
        except MatRepError as error:
            _end(run, before, "failed", str(error))
            raise
        except OSError as error:
            sentence = f"The disk refused what the training of {run.id} wrote: {error.strerror}. Free some space and resume the run."
            _end(run, before, "failed", sentence)
            raise RunBroken(sentence) from None
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
        try:
            write_status(run.path, status)
        except OSError:  # a full disk has no room for a new file, but for new words in the old one
            overwrite_json(run.path / "status.json", vars(status))
    return status


class _Training:
    """The state of one session of training; everything in it that matters for resuming is in ``_commit``."""

    def __init__(self, run: Run, before: Status, engine: str, device: str, report: Callable[[Status], None] | None, workers: int):
        self.run, self.settings, self.device, self.report, self.workers = run, run.settings, device, report, workers
        data = run.data
        self.observed = observations(data, self.settings.property, self.settings.conditions)
        self.problem = build_problem(data, self.observed, run.parts, self.settings)
        checkpoint = latest_checkpoint(run.path)
        self.engine_name = checkpoint.facts["engine"] if checkpoint else engine
        self.engine = build_engine(self.engine_name, self.problem, self.settings, device=device)
        self.rates = pace_of(self.settings)[2]
        self.curves = {part: self._curve_rows(*parts) for part, parts in CURVES.items()}
        self.order = Order(self.problem.rows("train", "validation", COMPANION), generator(self.settings.seed, "order"))
        self.fold = run.folds[self.problem.formulas]  # (R,)
        self.fold_models: list[FoldModel] | None = None
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
        self.share = 0.0

    def _curve_rows(self, *parts: str) -> np.ndarray:
        return at_most(self.problem.rows(*parts), CURVE_ROWS, generator(self.settings.seed, f"curve {parts}"))

    @property
    def best_step(self) -> int | None:
        return self.search.best_step if self.search else None

    def to_the_end(self) -> Status:
        try:
            self._tell("training")
            if self.settings.members and not self._train_folds():
                return self._tell("stopped", "Stopped while it trained the fold models. Resume it to go on with them.")
            if not self.settings.members and self.settings.validation_share and not self.search and not self._search():
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

    def _train_folds(self) -> bool:
        """Train the fold models, and choose the step to keep by their errors; False where the user asked to stop."""

        def going_on(share: float) -> bool:
            if time.monotonic() - self.last_report > SECONDS_BETWEEN_REPORTS:
                self.share = share * self.settings.members / (self.settings.members + 1)
                self._tell("training", f"Training {self.settings.members} fold models: {share:.0%} done.")
            return not (self.run.path / "stop").exists()

        self.fold_models = train_fold_models(
            self.run.path, self.problem, self.settings, self.fold, self.engine_name, self.device, self.workers, going_on, self._not_finite
        )
        if self.fold_models and not self.search:
            self.search = best_step([model.curve for model in self.fold_models])
        return self.fold_models is not None

    def _search(self) -> bool:
        """Find the step to keep on the validation part; False where the user asked to stop meanwhile."""

        def going_on(step: int) -> bool:
            if time.monotonic() - self.last_report > SECONDS_BETWEEN_REPORTS:
                self._tell("training", f"Searching the best step on the validation part: step {step:,} of {self.settings.steps:,}.")
            return not (self.run.path / "stop").exists()

        settings, problem = self.settings, self.problem
        engine, held = build_engine(self.engine_name, problem, settings, device=self.device), problem.rows("validation")
        rows = problem.rows("train", COMPANION)
        rows = rows[~np.isin(problem.formulas[rows], problem.formulas[held])]
        order = Order(rows, generator(settings.seed, "search"))
        curve = watched_training(problem, settings, engine, order, held, going_on, settings.patience)
        if curve is not None:  # where it ends early because a loss was not finite, the training proper will say so
            self.search = best_step([curve])
        return curve is not None

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
                raise self._not_finite(self.engine, self.order.coming(batch), self.step)
        return True

    def _event(self, step: int, framed: bool) -> None:
        vectors = self.engine.vectors(step)
        if not self.engine.finite():
            raise self._not_finite(self.engine, self.order.gone(self.settings.batch_size), self.step)
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

    def _not_finite(self, engine: Engine, rows: np.ndarray, step: int) -> TrainingStopped:
        engine.vectors(step)
        guilty = rows[~np.isfinite(engine.predict(rows) - self.problem.targets[rows])]
        named = guilty if len(guilty) else rows
        ids = [self.run.data.formula_ids[f] for f in dict.fromkeys(self.problem.formulas[named].tolist())]
        shown = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
        return TrainingStopped(
            f"Training stopped at step {step + 1}: the loss or a gradient was no longer a finite number, "
            f"in a batch with the formulas {shown}. Lower the learning rate, or look at these formulas."
        )

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.begun

    def _tell(self, state: str, message: str = "") -> Status:
        steps = self.search.last_step if self.search else self.settings.steps
        if self.step or not self.settings.members:
            before = self.settings.members * self.settings.steps
            self.share = (before + self.step) / (before + steps)
        status = Status(state, self.step, steps, self.best_step, round(self._seconds(), 2), message, round(self.share, 4))
        write_status(self.run.path, status)
        self.last_report = time.monotonic()
        if self.report:
            self.report(status)
        return status

    def _commit(self) -> None:
        if not self.engine.finite():
            raise self._not_finite(self.engine, self.order.gone(self.settings.batch_size), self.step)
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
        if self.settings.blend == "yes" and self.fold_models:
            self._tell("training", "Fitting trees and a kernel machine beside the vectors.")
        self._keep_model()
        status = self._tell(state, message)
        if state == "done":
            shutil.rmtree(self.run.path / FOLDER, ignore_errors=True)
        return status

    def _keep_model(self) -> None:
        """Write the model that views read: the best step's where training has reached it, else the last; and its ensemble."""
        last = self.engine.vectors(self.step).copy(), self.engine.regressor().copy()
        reached = self.best is not None and self.best_step is not None
        kept_step, kept = (self.best_step, self.best) if reached else (self.step, last)
        ensemble, problem = self._ensemble(*kept), self.problem
        formulas = problem.formulas[: problem.own]
        amounts, conditions = self.run.data.amounts[formulas], self.observed.conditions
        found = ensemble.predict(amounts, conditions)
        last_alone = lone(problem, self.settings, *last).predict(amounts, conditions).value
        tensors, facts = ensemble.stored()
        facts |= {
            "step": kept_step, "last_step": self.step, "engine": self.engine.name, **problem.facts(),
            "scores": self._scores(found.value), "vectors_scores": self._scores(found.alone),
            "alone_scores": self._scores(found.models[0]), "last_scores": self._scores(last_alone),
            "mean_predictor": self._scores(self._training_mean())["eval"],
        }  # fmt: skip
        tensors |= {
            "material_vectors": kept[0], "regressor": kept[1], "formula": formulas, "measured": problem.values[: problem.own],
            "predicted": found.value, "alone": found.alone,
            **{name: getattr(found, name) for name in ("low80", "high80", "low95", "high95")},
        }  # fmt: skip
        replace_folder(self.run.path / "model", lambda folder: write_sealed(folder, tensors, facts))
        write_json(self.run.path / "scores.json", facts["scores"])

    def _ensemble(self, vectors: np.ndarray, regressor: np.ndarray) -> Ensemble:
        if not self.fold_models:
            return lone(self.problem, self.settings, vectors, regressor)
        every = np.stack([vectors, *(model.vectors for model in self.fold_models)])
        flat = np.stack([regressor, *(model.regressor for model in self.fold_models)])
        fold = np.where(self.problem.part == "train", self.fold, -1)
        return fit_ensemble(self.problem, self.settings, fold, every, flat, self.workers)

    def _training_mean(self) -> np.ndarray:
        mean = self.problem.values[self.problem.rows("train", "validation")].mean()
        return np.full(self.problem.own, mean)

    def _scores(self, predicted: np.ndarray) -> dict[str, Any]:
        parts = {"full": ("train", "validation", "eval"), "eval": ("eval",), "train": ("train", "validation")}
        log_scale = self.problem.scale.kind == "log"
        chosen = {name: self.problem.rows(*members) for name, members in parts.items()}
        return {n: scores(self.problem.values[r], predicted[r], log_scale=log_scale) for n, r in chosen.items()}
