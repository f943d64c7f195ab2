"""The fold models of a run: each is trained without one fold of the training formulas, and judged on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matrep_core.errors import MatRepError
from matrep_core.formulas.schema import FormulaSet
from matrep_core.model.engine import Engine, Order, build_engine
from matrep_core.model.problem import COMPANION, Problem
from matrep_core.model.search import Curve, watched_training
from matrep_core.runs.checkpoint import read_sealed, write_sealed
from matrep_core.sampling import at_most, generator
from matrep_core.settings import TrainingSettings

FOLDER = "folds"
WATCHED = 1024  # measurements of a fold on which its error curve is drawn


@dataclass(frozen=True, eq=False)
class FoldModel:
    """What one fold model leaves: vectors (M, N) and regressor (P,) of its last step, and the errors on its own fold."""

    vectors: np.ndarray
    regressor: np.ndarray
    curve: Curve


def assign_folds(data: FormulaSet, formulas: np.ndarray, values: np.ndarray, settings: TrainingSettings) -> np.ndarray:
    """(F,) int fold of every formula, -1 where it is none of the training ``formulas`` (their mean ``values`` beside them).

    By chance within neighbouring values, so that each fold spans the range. Where the split keeps formulas of the same
    materials on one side, the folds do so as well.
    """
    out = np.full(len(data.formula_ids), -1)
    if not settings.members:
        return out
    random = generator(settings.seed, "folds")
    group = np.arange(len(formulas))
    if settings.split == "grouped":
        rows = data.amounts[formulas]
        places: dict[bytes, int] = {}
        cuts = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
        group = np.array([places.setdefault(rows.indices[a:b].tobytes(), len(places)) for a, b in cuts])
    mean = np.bincount(group, values) / np.bincount(group)
    by_value = np.argsort(mean, kind="stable")
    fold = np.empty(len(mean), int)
    for begin in range(0, len(mean), settings.members):
        stratum = by_value[begin : begin + settings.members]
        fold[stratum] = random.permutation(settings.members)[: len(stratum)]
    out[formulas] = fold[group]
    return out


def train_fold_models(
    path: Path,
    problem: Problem,
    settings: TrainingSettings,
    fold: np.ndarray,
    engine: str,
    device: str,
    workers: int,
    going_on: Callable[[float], bool],
    not_finite: Callable[[Engine, np.ndarray, int], MatRepError],
) -> list[FoldModel] | None:
    """Train every fold model of the run at ``path`` that is not there yet, ``workers`` at once; None where it was stopped.

    ``fold`` (R,) is the fold of each measurement's formula, -1 where it has none. A finished model is kept in the run's
    folder, so that a training that was killed repeats none. ``going_on`` is told the share done and says whether to
    go on; ``not_finite`` makes the error for a batch whose loss was not finite.
    """
    count, lock = settings.members, threading.Lock()
    trains = np.isin(problem.part, ["train", COMPANION])
    done = np.zeros(count)

    def told(number: int, step: int) -> bool:
        with lock:
            done[number] = step / settings.steps
            return going_on(float(done.mean()))

    def one(number: int) -> FoldModel | None:
        folder = path / FOLDER / f"{number}"
        if (folder / "manifest.json").is_file():
            tensors, _ = read_sealed(folder)
            curve = Curve(tensors["steps"], tensors["errors"], tensors["mae"])
            done[number] = 1.0
            return FoldModel(tensors["vectors"], tensors["regressor"], curve)
        if not told(number, 0):
            return None
        order = Order(np.flatnonzero(trains & (fold != number)), generator(settings.seed, f"order fold {number}"))
        held = np.flatnonzero((problem.part == "train") & (fold == number))
        held = at_most(held, WATCHED, generator(settings.seed, f"watched fold {number}"))
        own = build_engine(engine, problem, settings, f" fold {number}", device)
        curve = watched_training(problem, settings, own, order, held, lambda step: told(number, step))
        if curve is None:
            return None
        if curve.steps[-1] < settings.steps or not own.finite():
            raise not_finite(own, order.coming(settings.batch_size), int(curve.steps[-1]))
        model = FoldModel(own.vectors(settings.steps).copy(), own.regressor().copy(), curve)
        tensors = {"vectors": model.vectors, "regressor": model.regressor, "steps": curve.steps, "errors": curve.errors, "mae": curve.mae}
        temporary = path / FOLDER / f".{number}"
        (path / FOLDER).mkdir(exist_ok=True)
        write_sealed(temporary, tensors, {"fold": number, "engine": own.name})
        temporary.rename(folder)
        return model

    with ThreadPoolExecutor(max(1, workers)) as pool:
        models = list(pool.map(one, range(count)))
    return [m for m in models if m is not None] if all(m is not None for m in models) else None
