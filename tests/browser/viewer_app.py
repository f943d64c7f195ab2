"""A page of the viewer alone, with made-up points; options come from the address (?points=…&frames=…)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import streamlit as st

from matrep_ui.scatter import (
    Categories,
    Curve,
    Mark,
    Projection,
    Scale,
    ScatterPayload,
    Share,
    asked,
    carry,
    quantised,
    scatter,
    steer,
)

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "PEG-8 *dist* _or_ **bold** :smile: [link](http://a.b)",
    "Very long " + "Polyoxyethylene-" * 40,
    "مادة خام 12 (right to left)",
    "글리세린 🧴 emoji",
    '=HYPERLINK("http://a.b");+1',
)
FUNCTIONS = ("emollient", "humectant", "surfactant", "thickener", "preservative", "solvent")


@st.cache_resource(max_entries=8)
def made_up(
    points: int, frames: int, dims: int, groups: int, flat: bool, shown: int, other_colours: bool,
    projections: bool = False, umap3: bool = False, seed: int = 0,
) -> ScatterPayload:
    """Groups that leave the origin over the frames; ``shown`` frames of them have been trained so far."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(0, 1, (groups, dims))
    codes = rng.integers(0, groups, points)
    goal = middles[codes] + rng.normal(0, 0.22, (points, dims))
    goal[:, 1:] *= 0.03 if flat else 1
    start = rng.normal(0, 0.02, (points, dims))
    share = (1 / (1 + np.exp(-np.linspace(-6, 6, frames))))[:, None, None] if frames > 1 else np.ones((1, 1, 1))
    path = start + share * (goal - start)
    steps = np.rint(np.expm1(np.linspace(0, np.log1p(40_000), frames))).astype(int) if frames > 1 else np.zeros(1, int)
    support = rng.poisson(rng.gamma(0.6, 8, points))
    names = [f"{FUNCTIONS[c % 6].title()} Extract {i}" for i, c in enumerate(codes)]
    names[: len(HOSTILE)] = HOSTILE[:points]
    moving = np.where(share[:, :, 0] > 0.3, codes[None], -1)[:shown] if frames > 1 else codes
    colours: list[Categories | Scale] = [
        Categories("Cluster", [f"Cluster {k + 1}" for k in range(groups)], moving, "not yet in a cluster"),
        Scale("Support", np.where(support > 0, support, np.nan), "formulas", log=True),
    ]
    curve = None
    if frames > 1:
        at = np.unique(np.geomspace(1, steps[shown - 1] + 1, 200).astype(int))
        fall = 900 * np.exp(-at / 4_000) + 60
        wobble = np.random.default_rng(1).uniform(0.9, 1.1, len(at))
        curve = Curve(at, fall * wobble, fall * 1.3 + at / 400, "mean absolute error", "mPa·s", best_step=14_000)
    more: dict[str, object] = {}
    if projections:
        _, _, directions = np.linalg.svd(goal - goal.mean(0), full_matrices=False)
        pca = Projection(
            "PCA", [f"PC {k + 1} ({50 >> k} % of the spread)" for k in range(dims)], turn=directions.T,
            centre=goal.mean(0), linear=True, note="One basis for all steps, from the last.",
        )  # fmt: skip
        bend = [np.tanh(path[..., :2] * 2)] + ([np.tanh(path[..., :1] * path[..., 1:2])] if umap3 else [])
        layout, scales = quantised(np.concatenate(bend, 2)[:shown])
        name = "UMAP, 3 axes" if umap3 else "UMAP"
        umap = Projection(name, [f"UMAP {k + 1}" for k in range(2 + umap3)], layout, scales, note="Distilled.")
        more = {
            "projection": "Entries", "projections": [pca, umap], "offered": () if umap3 else ("UMAP, 3 axes",),
            "original": True, "linear": dims > 2,
            "shares": [Share("trustworthiness", steps[:shown], 0.9 - 0.2 * share[:shown, 0, 0]),
                       Share("continuity", steps[:shown], 0.95 - 0.1 * share[:shown, 0, 0])],
        }  # fmt: skip
        moved = np.linalg.norm(path[:shown] - path[:1], axis=2)
        colours.append(Scale("Movement", moved, "", bounds=(0.0, 4.0)))
    return ScatterPayload(
        frames=np.rint(path[:shown] * 8_000).astype(np.int16), scale=1 / 8_000, steps=steps[:shown],
        ids=[f"RM-{i:05d}" for i in range(points)], axes=[f"h{k + 1}" for k in range(dims)],
        texts={"INCI name": names, "Function": [FUNCTIONS[c % 6] for c in codes]},
        numbers={"Support": support}, hollow=support == 0,
        colours=colours[::-1] if other_colours else colours,
        curve=curve, marks=[Mark(60, "leaves the origin"), Mark(900, "groups form")] if frames > 1 else (),
        space="made up", **more,
    )  # fmt: skip


st.set_page_config(layout="wide")
asked_for = st.query_params
points, frames, dims, groups = (
    int(asked_for.get(name, default)) for name, default in [("points", 500), ("frames", 1), ("dims", 2), ("groups", 5)]
)
hidden_yet = int(asked_for.get("later", 0))  # frames that a press of the button brings
if st.button("Select the third"):
    steer("map", selected=["RM-00003"])
more, other = st.checkbox("Train on"), st.checkbox("Other colours")
told = asked("map")
payload = made_up(
    points, frames, dims, groups, "flat" in asked_for, frames - (0 if more else hidden_yet), other,
    "projections" in asked_for, told is not None and told.projection == "UMAP, 3 axes",
)  # fmt: skip
carried = carry(payload, key="map")
pair = "pair" in asked_for
if pair:
    beside = carry(made_up(points, frames // 2, dims, groups, False, frames // 2, other, seed=1), key="other")


@st.fragment
def look() -> None:
    columns = st.columns(2) if pair else [st.container()]
    with columns[0]:
        events = scatter(carried, key="map", selected=asked_for.get_all("material"), caption="made up",
                         height=int(asked_for.get("height", 560)), link="two" if pair else "")  # fmt: skip
    if pair:
        with columns[1]:
            scatter(beside, key="other", link="two", scrubber=False, label="The other run")
    st.text(
        f"Python knows {len(events.selected)} selected: {' '.join(events.selected[:20])}; step {events.step}; "
        f"{events.projection or 'projection'} on {events.axes}; marks {events.marks}"
    )
    if events.wanted:
        st.rerun()


if "tab" in asked_for:
    first, second = st.tabs(["First", "Second"])
    first.text("The viewer is in the second tab.")
    with second:
        look()
else:
    look()
