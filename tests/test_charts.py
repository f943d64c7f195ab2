"""Charts carry their units, leave out what their axes cannot show, and count every value once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from matrep_ui.charts import histogram, loss_curve


def curve_of(chart: dict) -> dict:
    return next(layer for layer in chart["layer"] if layer["mark"]["type"] == "line")


@pytest.mark.parametrize(("errors", "ticks"), [((0.4, 12), [0.5, 1, 2, 5, 10]), ((1, 2_000), [1, 10, 100, 1000]),
                                               ((11, 19), [11, 13, 16, 19]), ((5, 5), [5])])  # fmt: skip
def test_the_loss_curve_names_its_unit_and_has_ticks_at_any_range(errors: tuple[float, float], ticks: list[float]) -> None:
    metrics = pd.DataFrame({"step": [0, 1, 50], "train_mae": [99.0, *errors], "eval_mae": [np.nan, *errors]})
    chart = loss_curve(metrics.assign(validation_mae=np.nan), "mPa·s", 50).to_dict()
    encoding = curve_of(chart)["encoding"]
    assert encoding["y"]["title"] == "mean absolute error (mPa·s)"
    assert encoding["y"]["axis"]["values"] == ticks
    (rows,) = [rows for rows in chart["datasets"].values() if "part" in rows[0]]
    assert {row["part"] for row in rows} == {"training", "evaluation"}
    assert {row["step"] for row in rows} == {1, 50}  # step 0 has no place on a log axis


def test_the_kept_step_is_marked() -> None:
    metrics = pd.DataFrame({"step": [1, 50], "train_mae": [2.0, 1.0], "validation_mae": 1.0, "eval_mae": 1.0})
    labels = [row["label"] for rows in loss_curve(metrics, "", 50).to_dict()["datasets"].values() for row in rows if "label" in row]
    assert labels == ["kept step 50"]
    assert len(loss_curve(metrics, "").to_dict()["layer"]) == 1


def test_a_histogram_counts_every_value_that_its_axis_can_show() -> None:
    values = np.array([0.0, -1.0, np.nan, 1.0, 10.0, 100.0, 1000.0])
    for log, counted in ((True, 4), (False, 6)):
        chart = histogram(values, "viscosity", "mPa·s", counted="formulas", log=log).to_dict()
        (rows,) = chart["datasets"].values()
        assert sum(row["count"] for row in rows) == counted
        assert chart["encoding"]["x"]["title"] == "viscosity (mPa·s)"
        assert chart["encoding"]["y"]["title"] == "formulas"
