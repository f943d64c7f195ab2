"""The charts of the page Evaluate: errors over splits, per formula, and where they come from."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from matrep_ui.charts import DIGITS, log_ticks, with_unit

MOST_POINTS = 4_000  # drawn one by one; more are a sample
HEIGHT = 300
NUMBER = ",.6~r"  # never in powers of ten
WHISKERS = {"color": "gray"}  # seen on light and on dark


def _error_axis(values: pd.Series, title: str, log: bool) -> alt.X:
    if log:
        positive = values[values > 0]
        return alt.X("value:Q", title=title).scale(type="log", nice=False).axis(values=log_ticks(positive), format=",~g")
    return alt.X("value:Q", title=title).scale(zero=False).axis(format=NUMBER, tickCount=5)


def error_boxes(errors: pd.DataFrame, metric: str, title: str, order: list[str]) -> alt.LayerChart:
    """A box for each model over its splits, and a point for each split; ``errors`` has model, seed and ``metric``."""
    shown = errors.rename(columns={metric: "value"}).dropna(subset="value")
    base = alt.Chart(shown[["model", "seed", "value"]], height=alt.Step(30)).encode(
        alt.Y("model:N", title=None, sort=order).axis(labelLimit=220),
        _error_axis(shown["value"], title, False),
        alt.Color("model:N", legend=None, sort=order),
    )
    box = base.mark_boxplot(extent="min-max", size=16, opacity=0.55, rule=WHISKERS)
    points = base.mark_point(filled=True, size=26, opacity=0.9).encode(
        tooltip=[alt.Tooltip("model:N"), alt.Tooltip("seed:Q", title="split"), alt.Tooltip("value:Q", title=title, format=DIGITS)]
    )
    return alt.layer(box, points)


def entries_boxes(errors: pd.DataFrame, metric: str, title: str) -> alt.Chart:
    """Boxes over the splits for each N_entries, the models side by side."""
    shown = errors.rename(columns={metric: "value"}).dropna(subset="value")
    models = list(dict.fromkeys(shown["model"]))
    return (
        alt.Chart(shown[["model", "n_entries", "seed", "value"]], height=HEIGHT)
        .mark_boxplot(extent="min-max", size=max(6, 26 // len(models)), rule=WHISKERS)
        .encode(
            alt.X("n_entries:O", title="N_entries").axis(labelAngle=0),
            alt.Y("value:Q", title=title).scale(zero=False).axis(format=NUMBER, tickCount=5),
            alt.XOffset("model:N", sort=models),
            alt.Color("model:N", title=None, sort=models).legend(orient="top", columns=2, labelLimit=240),
            tooltip=[alt.Tooltip("model:N"), alt.Tooltip("n_entries:O", title="N_entries"), alt.Tooltip("value:Q", title=title, format=DIGITS)],
        )
    )


def formula_boxes(errors: pd.DataFrame, unit: str, order: list[str]) -> alt.Chart:
    """Boxes of the absolute error per formula: ``errors`` has model and absolute_error, one row an evaluated measurement."""
    shown = errors.rename(columns={"absolute_error": "value"})[["model", "value"]]
    shown = shown[shown["value"] > 0]
    return (
        alt.Chart(shown, height=alt.Step(30))
        .mark_boxplot(size=16, rule=WHISKERS, outliers={"size": 6, "opacity": 0.35})
        .encode(
            alt.Y("model:N", title=None, sort=order).axis(labelLimit=220),
            _error_axis(shown["value"], with_unit("absolute error per formula", unit), True),
            alt.Color("model:N", legend=None, sort=order),
        )
    )


def measured_against_predicted(table: pd.DataFrame, property_name: str, unit: str, *, log: bool) -> alt.LayerChart:
    """Predicted over measured, both in the property's unit, with the line of no error and the 80 % interval if there is one."""
    shown = table.sample(MOST_POINTS, random_state=0) if len(table) > MOST_POINTS else table
    columns = ["formula_id", "measured", "predicted", "support", "unseen", "seed"]
    intervals = "low80" in shown and shown["low80"].notna().any()
    shown = shown[columns + (["low80", "high80"] if intervals else [])].assign(
        materials=np.where(shown["unseen"] > 0, "holds a material that never trained", "all materials trained")
    )
    both = pd.concat([shown["measured"], shown["predicted"]])
    if log:
        shown, both = shown[(shown["measured"] > 0) & (shown["predicted"] > 0)], both[both > 0]
    ends = [float(both.min()), float(both.max())]
    scale = {"type": "log" if log else "linear", "zero": False, "nice": False, "domain": ends, "clamp": True}
    ticks = {"values": log_ticks(both)} if log else {"tickCount": 6}
    x = alt.X("measured:Q", title=with_unit(f"measured {property_name}", unit)).scale(**scale).axis(format=",~g", **ticks)
    y = alt.Y("predicted:Q", title=with_unit(f"predicted {property_name}", unit)).scale(**scale).axis(format=",~g", **ticks)
    tooltip = [
        alt.Tooltip("formula_id:N", title="formula"), alt.Tooltip("measured:Q", format=DIGITS), alt.Tooltip("predicted:Q", format=DIGITS),
        alt.Tooltip("support:Q", title="support of the rarest material"), alt.Tooltip("unseen:Q", title="unseen materials"),
        alt.Tooltip("seed:Q", title="split"),
    ]  # fmt: skip
    points = alt.Chart(shown, height=420).encode(
        x, color=alt.Color("materials:N", title=None).legend(orient="top", labelLimit=260, columns=1)
    )
    layers = [points.mark_point(filled=True, size=28, opacity=0.6).encode(y, tooltip=tooltip)]
    if intervals:
        layers.insert(0, points.mark_rule(opacity=0.18).encode(alt.Y("low80:Q").scale(**scale), alt.Y2("high80:Q")))
    line = alt.Chart(pd.DataFrame({"measured": ends, "predicted": ends})).mark_line(color="gray", strokeDash=[4, 4]).encode(x, y)
    return alt.layer(line, *layers)


def error_by(groups: pd.DataFrame, title: str, unit: str) -> alt.LayerChart:
    """Mean absolute error of each group, with the number of measurements behind it; ``groups`` as in diagnosis."""
    order = groups["group"].tolist()
    base = alt.Chart(groups, height=alt.Step(28)).encode(
        alt.Y("group:N", title=title, sort=order).axis(labelLimit=200),
        alt.X("mae:Q", title=with_unit("mean absolute error", unit)).axis(format=NUMBER, tickCount=4),
        tooltip=[
            alt.Tooltip("group:N", title=title), alt.Tooltip("measurements:Q", format=","),
            alt.Tooltip("mae:Q", title="mean absolute error", format=DIGITS), alt.Tooltip("median:Q", title="median absolute error", format=DIGITS),
            alt.Tooltip("bias:Q", title="predicted − measured, mean", format=DIGITS),
        ],
    )  # fmt: skip
    count = base.mark_text(align="left", dx=5, color="gray").encode(text=alt.Text("measurements:Q", format=","))
    return alt.layer(base.mark_bar(size=18), count)
