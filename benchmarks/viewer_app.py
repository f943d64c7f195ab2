"""One page a way to watch points over training steps: ``?way=viewer|slider|plotly&points=…&frames=…``.

All ways show the same made-up points. ``viewer`` is MatRep's own; ``slider`` is st.slider with a rerun and an Altair
chart; ``plotly`` is one figure with an animation frame for each step.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
import streamlit as st

GROUPS = 8


@st.cache_resource(max_entries=2)
def paths(points: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T, N, 2) places of points in groups that leave the origin, (N,) groups and (T,) steps."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, GROUPS, points)
    goal = rng.normal(0, 1, (GROUPS, 2))[groups] + rng.normal(0, 0.22, (points, 2))
    share = 1 / (1 + np.exp(-np.linspace(-6, 6, frames)))
    steps = np.rint(np.expm1(np.linspace(0, np.log1p(40_000), frames))).astype(int)
    return (share[:, None, None] * goal).astype(np.float32), groups, steps


def with_the_viewer(points: int, frames: int) -> None:
    from matrep_ui.scatter import Categories, Scale, ScatterPayload, carry, scatter

    @st.cache_resource(max_entries=1)
    def payload(points: int, frames: int) -> ScatterPayload:
        places, groups, steps = paths(points, frames)
        support = np.random.default_rng(1).integers(1, 500, points)
        return ScatterPayload.from_coordinates(
            places, steps=steps, ids=[f"RM-{i:06d}" for i in range(points)], axes=("entry 1", "entry 2"), original=True,
            texts={"INCI name": [f"Material {i} of group {g}" for i, g in enumerate(groups)]}, numbers={"support": support},
            colours=[Categories("group", [f"group {k + 1}" for k in range(GROUPS)], groups), Scale("support", support)],
        )  # fmt: skip

    carried = carry(payload(points, frames), key="map")

    @st.fragment
    def look() -> None:
        events = scatter(carried, key="map")
        rows = [int(name[3:]) for name in events.selected]
        st.dataframe(pd.DataFrame({"material": events.selected, "group": paths(points, frames)[1][rows]}), height=150)
        st.text(f"table of {' '.join(events.selected)}")

    look()


def with_a_slider(points: int, frames: int) -> None:
    import altair as alt

    places, groups, steps = paths(points, frames)
    frame = st.slider("Frame", 0, frames - 1, frames - 1)
    table = pd.DataFrame({"x": places[frame, :, 0], "y": places[frame, :, 1], "group": groups})
    bounds = [alt.Scale(domain=[float(places[..., k].min()), float(places[..., k].max())]) for k in (0, 1)]
    chart = alt.Chart(table, title=f"step {steps[frame]}").mark_circle(size=20).encode(
        alt.X("x", scale=bounds[0]), alt.Y("y", scale=bounds[1]), alt.Color("group:N")
    )  # fmt: skip
    canvas = {"embedOptions": {"renderer": "canvas"}}  # by default it is SVG, which is slower still
    st.altair_chart(chart.properties(height=560, usermeta=canvas), width="stretch")


def with_plotly(points: int, frames: int) -> None:
    import plotly.graph_objects as go

    places, groups, steps = paths(points, frames)

    def drawn(t: int) -> go.Scattergl:
        return go.Scattergl(x=places[t, :, 0], y=places[t, :, 1], mode="markers", marker={"color": groups, "size": 5})

    animated = [go.Frame(data=[drawn(t)], name=str(t)) for t in range(frames)]
    jump = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate", "transition": {"duration": 0}}
    slider = {"active": frames - 1, "steps": [
        {"args": [[str(t)], jump], "label": str(steps[t]), "method": "animate"} for t in range(frames)
    ]}  # fmt: skip
    st.plotly_chart(go.Figure([drawn(frames - 1)], {"height": 640, "sliders": [slider]}, animated))


st.set_page_config(layout="wide")
asked = st.query_params
points, frames = int(asked.get("points", 1000)), int(asked.get("frames", 8))
{"viewer": with_the_viewer, "slider": with_a_slider, "plotly": with_plotly}[asked.get("way", "viewer")](points, frames)
