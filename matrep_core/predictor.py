"""The predictor of a run that is kept: its ensemble, ready for further formulas."""

from __future__ import annotations

from matrep_core.model.ensemble import Ensemble, Prediction, restored
from matrep_core.model.layout import Layout
from matrep_core.runs.store import Run

__all__ = ["Prediction", "predictor_of"]


def predictor_of(run: Run) -> Ensemble:
    """The predictor of ``run``: ``predict(amounts, conditions)`` gives a Prediction. numpy and scipy alone.

    Raises NotThere where nothing is kept yet, RunBroken where what is kept does not fit the run.
    """
    tensors, facts = run.kept_model()
    layout = Layout.of(run.settings, len(run.data.materials))
    return restored(layout, run.settings, tensors, facts, run.support, run.data.amounts)
