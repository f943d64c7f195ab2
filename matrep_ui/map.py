"""The map of materials as the viewer takes it: places, texts, and what the points can be coloured by."""

from __future__ import annotations

import numpy as np
import streamlit as st

from matrep_core.views.cache import content_key
from matrep_core.views.projection import Picture
from matrep_ui.looking import Look
from matrep_ui.scatter import Categories, Scale, ScatterPayload

MOST_NAMED = 24  # in the legend; the rarer ones share one colour


def by_text(name: str, texts: np.ndarray) -> Categories | None:
    """A colour by the (M,) texts of a column, "" = unknown; None where no text stands twice, which colours nothing."""
    found, places, counts = np.unique(np.asarray(texts, dtype=str), return_inverse=True, return_counts=True)
    order = [i for i in np.argsort(-counts, kind="stable") if found[i] != ""]
    if not order or counts[order[0]] < 2:
        return None
    shown = order[:MOST_NAMED]
    legend = [str(found[i]) for i in shown] + ["rarer ones"] * (len(order) > len(shown))
    code_of = np.full(len(found), len(shown))
    code_of[shown] = np.arange(len(shown))
    code_of[found == ""] = -1
    return Categories(name, legend, code_of[places], "unknown")


def colours(look: Look, labels: np.ndarray) -> list[Categories | Scale]:
    """What the map can be coloured by: cluster, function where functions are known, support."""
    names = [f"Cluster {number + 1}" for number in range(labels.max() + 1)]
    columns: list[Categories | Scale] = [Categories("cluster", names, labels, "no cluster")]
    if (functions := by_text("function", look.facts["function"].to_numpy(object))) is not None:
        columns.append(functions)
    support = look.facts["support"].to_numpy(float)
    columns.append(Scale("support", np.where(support > 0, support, np.nan), "training formulas", log=True))
    return columns


def payload_of(look: Look, drawn: Picture, kind: str, labels: np.ndarray) -> ScatterPayload:
    """What the viewer shows; the same object for the same content, so that it is packed and sent once."""
    key = content_key({"drawn": drawn.coordinates, "labels": labels}, look=look.key, kind=kind, axes=drawn.axes)
    return _payload(key, f"{look.run.id} {kind}", look, drawn, labels)


@st.cache_resource(max_entries=8, show_spinner=False)
def _payload(key: str, space: str, _look: Look, _drawn: Picture, _labels: np.ndarray) -> ScatterPayload:
    facts = _look.facts
    return ScatterPayload.from_coordinates(
        _drawn.coordinates, steps=np.array([_look.step]), ids=list(_look.run.data.materials), axes=_drawn.axes,
        texts={"INCI name": facts["inci"].tolist(), "function": facts["function"].tolist()},
        numbers={"support": facts["support"].to_numpy()}, hollow=~_look.trained, colours=colours(_look, _labels),
        space=space,
    )  # fmt: skip
