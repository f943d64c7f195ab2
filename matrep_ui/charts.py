"""The charts that several pages show. Every axis carries its unit; colours follow the theme."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

FOUR_DIGITS = "%,.4g"  # of a table's column of measured values: as ``wording.measured`` writes one
DIGITS = ",.4~r"  # the same in a tooltip
CURVES = {"train_mae": "training", "validation_mae": "validation", "eval_mae": "evaluation"}


def with_unit(name: str, unit: str) -> str:
    """``viscosity (mPa·s)``; the name alone where there is no unit."""
    return f"{name} ({unit})" if unit else name


def log_ticks(values: pd.Series) -> list[float]:
    """Powers of ten across the values, with 2 and 5 between them where those are few, or else four round numbers."""
    if values.empty:
        return []
    low, high = float(values.min()), float(values.max())
    tens = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for ticks, enough in ((tens, 4), (np.outer(tens, [1, 2, 5]).ravel(), 3)):
        inside = [float(tick) for tick in ticks if low <= tick <= high]
        if len(inside) >= enough:
            return inside
    return sorted({float(f"{tick:.2g}") for tick in np.geomspace(low, high, 4)})


def loss_curve(metrics: pd.DataFrame, unit: str, best_step: int | None = None) -> alt.LayerChart:
    """Mean absolute error over the steps, both on log axes, with the kept step marked.

    ``metrics`` has ``step`` and any of train_mae, validation_mae, eval_mae, in the property's ``unit``.
    """
    shown = metrics.rename(columns=CURVES).melt("step", [c for c in CURVES.values()], "part", "error")
    shown = shown[np.isfinite(shown["error"]) & (shown["error"] > 0) & (shown["step"] > 0)]
    curve = (
        alt.Chart(shown)
        .mark_line(strokeWidth=2)
        .encode(
            alt.X("step:Q", title="training step")
            .scale(type="log", nice=False)
            .axis(values=log_ticks(shown["step"]), grid=False, format=",~g"),
            alt.Y("error:Q", title=with_unit("mean absolute error", unit))
            .scale(type="log", zero=False, nice=False)
            .axis(values=log_ticks(shown["error"]), format=",~g"),
            alt.Color("part:N", title=None, sort=list(CURVES.values())).legend(orient="top"),
            tooltip=[
                alt.Tooltip("part:N"),
                alt.Tooltip("step:Q", format=","),
                alt.Tooltip("error:Q", title=with_unit("error", unit), format=DIGITS),
            ],
        )
    )
    if not best_step:
        return alt.layer(curve)
    mark = alt.Chart(pd.DataFrame({"step": [best_step], "label": [f"kept step {best_step:,}"]})).encode(alt.X("step:Q"))
    rule = mark.mark_rule(strokeDash=[4, 4], color="gray")
    label = mark.mark_text(align="right", dx=-6, color="gray", y=8).encode(alt.Text("label:N"))
    return alt.layer(curve, rule, label)


def histogram(values: np.ndarray, name: str, unit: str, *, counted: str, log: bool = False, bins: int | np.ndarray = 30) -> alt.Chart:
    """How often each value occurs; ``counted`` names what is counted, for example "formulas".

    ``bins`` is their number, or their edges. On a log axis the bins are equally wide in the logarithm and values of zero or less are left out.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values) & ((values > 0) if log else True)]
    edges = 10 ** np.histogram_bin_edges(np.log10(values), bins) if log else np.histogram_bin_edges(values, bins)
    counts, _ = np.histogram(values, edges)
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": counts, "floor": 0})
    return (
        alt.Chart(table[table["count"] > 0])
        .mark_rect(stroke=None)
        .encode(
            alt.X("low:Q", title=with_unit(name, unit)).scale(type="log" if log else "linear", nice=False, zero=False),
            alt.X2("high:Q"),
            alt.Y("count:Q", title=counted),
            alt.Y2("floor:Q"),
            tooltip=[
                alt.Tooltip("low:Q", title="from", format=DIGITS),
                alt.Tooltip("high:Q", title="to", format=DIGITS),
                alt.Tooltip("count:Q", title=counted, format=","),
            ],
        )
    )
