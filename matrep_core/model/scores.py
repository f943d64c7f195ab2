"""The errors by which a prediction is judged, in the property's unit."""

from __future__ import annotations

from typing import Any

import numpy as np


def scores(measured: np.ndarray, predicted: np.ndarray, *, log_scale: bool) -> dict[str, Any]:
    """mae and rmse in the unit of the values (R,), r2, and log10_rmse where the property's scale is log.

    r2 is None where fewer than two values or equal values leave it undefined; every error is None for R = 0.
    """
    names = ["mae", "rmse", "r2", *(["log10_rmse"] if log_scale else [])]
    out: dict[str, Any] = {"measurements": len(measured), **dict.fromkeys(names)}
    if not len(measured):
        return out
    error = predicted - measured
    out["mae"] = float(np.abs(error).mean())
    out["rmse"] = float(np.sqrt(np.square(error).mean()))
    spread = np.square(measured - measured.mean()).sum()
    if spread > 0:
        out["r2"] = float(1 - np.square(error).sum() / spread)
    if log_scale and measured.min() > 0 and predicted.min() > 0:
        out["log10_rmse"] = float(np.sqrt(np.square(np.log10(predicted / measured)).mean()))
    return out
