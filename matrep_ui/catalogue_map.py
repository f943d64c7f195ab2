"""The map of the Materials page: materials, and on linear pictures formulas, coloured with the filter's rest in grey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from matrep_core.views.cache import content_key
from matrep_core.views.projection import Picture
from matrep_core.wording import measured
from matrep_ui.charts import FOUR_DIGITS
from matrep_ui.looking import Look, mixtures_on
from matrep_ui.map import colours
from matrep_ui.scatter import Categories, Scale, ScatterPayload

FORMULA = "formula "  # begins the id of a point that is a formula


def catalogue_payload(
    look: Look, drawn: Picture, kind: str, space: str, labels: np.ndarray, names: Sequence[str], kept: np.ndarray, formulas: bool
) -> ScatterPayload:
    """What the viewer shows; the same object for the same content, so that it is packed and sent once.

    ``names`` is one text a cluster, ``kept`` (M,) bool what the filter lets through; ``formulas`` adds their mixture
    vectors, which have a place on linear pictures of the learned vectors alone.
    """
    key = content_key(
        {"drawn": drawn.coordinates, "labels": labels, "kept": kept}, look=look.key, kind=kind, names=list(names), formulas=formulas
    )
    return _payload(key, f"{look.run.id} {space} {kind}", look, drawn, kind, labels, names, kept, formulas)


@st.cache_resource(max_entries=8, show_spinner=False)
def _payload(
    key: str, place: str, _look: Look, _drawn: Picture, _kind: str, _labels: np.ndarray, _names: Sequence[str],
    _kept: np.ndarray, _formulas: bool,
) -> ScatterPayload:  # fmt: skip
    look, facts, run = _look, _look.facts, _look.run
    more = len(run.data.formula_ids) if _formulas else 0
    coordinates = np.vstack([_drawn.coordinates, mixtures_on(look, _kind)]) if more else _drawn.coordinates
    columns = [_greyed(column, _kept, more) for column in colours(look, _labels)]
    columns[0] = Categories("cluster", list(_names), columns[0].codes, columns[0].none_label)
    if more:
        kinds = np.repeat([0, 1], [len(facts), more])
        columns += [Categories("materials or formulas", ["material", "formula"], kinds), _measured(look, len(facts))]

    def padded(texts: Sequence[str], rest: Sequence[str]) -> list[str]:
        return [*texts, *rest][: len(facts) + more]

    return ScatterPayload.from_coordinates(
        coordinates, steps=np.array([look.step]),
        ids=padded(run.data.materials, [f"{FORMULA}{formula}" for formula in run.data.formula_ids]), axes=_drawn.axes,
        texts={
            "INCI name": padded(facts["inci"].tolist(), ["formula"] * more),
            "function": padded(facts["function"].tolist(), [""] * more),
        },
        numbers={"support": np.concatenate([facts["support"].to_numpy(float), np.zeros(more)])},
        hollow=np.concatenate([~look.trained, np.zeros(more, bool)]), colours=columns, space=place,
        noun="materials and formulas" if more else "materials",
    )  # fmt: skip


def _greyed(column: Categories | Scale, kept: np.ndarray, more: int) -> Categories | Scale:
    """The colour with what the filter leaves out, and formulas, in grey."""
    left_out = (" or a formula" if more else "") + ("" if kept.all() else " or left out by the filter")
    if isinstance(column, Categories):
        codes = np.concatenate([np.where(kept, column.codes, -1), np.full(more, -1)])
        return Categories(column.name, column.labels, codes, column.none_label + left_out)
    values = np.concatenate([np.where(kept, column.values, np.nan), np.full(more, np.nan)])
    return Scale(column.name, values, column.unit, column.log, column.none_label + left_out)


def _measured(look: Look, materials: int) -> Scale:
    """The formulas coloured by the measured property; materials in grey."""
    data, target = look.run.data, look.run.settings.property
    rows = data.measurements[data.measurements["property"] == target]
    count = np.bincount(rows["formula"], minlength=len(data.formula_ids))
    total = np.bincount(rows["formula"], rows["value"], len(data.formula_ids))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    values = np.concatenate([np.full(materials, np.nan), mean])
    return Scale(f"measured {target}", values, look.run.unit, data.property_named(target).scale == "log", "material or not measured")


def formula_detail(look: Look, formula_id: str) -> None:
    """What a chosen formula holds, largest amount first, and what was measured of it."""
    data, target = look.run.data, look.run.settings.property
    row = data.formula_ids.index(formula_id)
    st.text(f"formula {formula_id}")
    values = data.measurements[(data.measurements["formula"] == row) & (data.measurements["property"] == target)]["value"]
    if len(values):
        st.text(f"measured {target}: {measured(values.mean(), look.run.unit)}")
    table = [{"material": code, "weight-%": amount} for code, amount in data.formula(row)]
    st.dataframe(table, hide_index=True, height=260, column_config={"weight-%": st.column_config.NumberColumn(format=FOUR_DIGITS)})
