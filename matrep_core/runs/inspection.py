"""A stranger's run, looked at as a whole before it appears in the list: whatever views read must be there and fit.

Check sums say that nothing changed since somebody computed them. Whoever forges a run computes them too, so
shapes, numbers and row numbers are checked here by themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from matrep_core import limits
from matrep_core.errors import RunBroken
from matrep_core.formulas.storage import stored_amounts
from matrep_core.runs.checkpoint import latest_checkpoint
from matrep_core.runs.store import Run

INTERVALS = {"low80", "high80", "low95", "high95"}
_MOST_FRAMES = 1_000  # settings allow 200


def inspect(run: Run) -> None:
    """Open everything that views read of ``run``; raises RunBroken, or another MatRepError, where anything does not fit."""
    if (amounts := stored_amounts(run.path / "data")) > limits.MAX_ROWS:
        raise RunBroken(f"{run.id} holds {amounts:,} amounts; a run that is loaded may hold {limits.MAX_ROWS:,} at most.")
    run.status(), run.support, run.folds, run.metrics(), latest_checkpoint(run.path)
    frames = run.frames()
    if len(frames) > _MOST_FRAMES:
        raise RunBroken(f"{run.id}/frames/index.jsonl is damaged: it names {len(frames):,} frames.")
    for each in range(len(frames)):
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(frames.vectors(each)).all():
                raise RunBroken(f"{run.id}/frames/index.jsonl is damaged: a frame's vectors are not finite.")
    if (run.path / "model").is_dir():
        _inspect_model(run)
    elif not len(frames):
        raise RunBroken(f"{run.id}: it holds neither a model nor a frame.")


def _inspect_model(run: Run) -> None:
    def demand(fits: object, what: str) -> None:
        if not fits:
            raise RunBroken(f"{run.id}/model does not fit its run: {what}.")

    tensors, _ = run.kept_model()
    for name, tensor in tensors.items():
        missing = name in INTERVALS and tensor.dtype.kind == "f" and np.isnan(tensor).all()  # a model alone gives none
        demand(missing or tensor.dtype.kind in "iu" or (tensor.dtype.kind == "f" and np.isfinite(tensor).all()), f"{name} is not finite")
    rows = tensors.get("formula")
    whole = rows is not None and rows.dtype.kind in "iu" and rows.ndim == 1
    demand(whole and ((rows >= 0) & (rows < len(run.data.formula_ids))).all(), "it predicts formulas that are not there")
    for name in ("measured", "predicted"):
        demand(name in tensors and tensors[name].shape == rows.shape, f"{name} is not one number a measurement")
    run.vectors(), run.regressor(), run.predictions(), run.kept_step, run.members()
    demand(all(_is_score(run.scores()[part]) for part in ("full", "eval", "train")), "its scores are no errors")
    demand(_is_score(run.mean_predictor()), "its scores of the mean are no errors")


def _is_score(stored: Any) -> bool:
    def number(value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    return (
        isinstance(stored, dict)
        and all(number(stored.get(name)) for name in ("mae", "rmse", "measurements"))
        and all(number(value) or value is None for value in stored.values())
    )
