"""A second run beside the first: chosen, turned onto it, coloured alike, and the neighbours that both agree on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from matrep_core.runs.store import Run, artifacts_root, list_runs, open_run
from matrep_core.views.alignment import Alignment, common_materials, procrustes
from matrep_core.views.background import Arrays, Progress
from matrep_core.views.cache import content_key
from matrep_core.views.clustering import NO_CLUSTER
from matrep_core.views.film import Film, aligned_film
from matrep_core.views.projection import PcaBasis
from matrep_ui.moving import PINNED, Look
from matrep_ui.page import from_url, run_label, to_url, url_selectbox
from matrep_ui.scatter import Categories
from matrep_ui.watching import ENTRIES, PCA, Watch, answer

NONE = "none"


@dataclass(frozen=True, eq=False)
class Pair:
    """Two runs side by side; ``rows`` are the materials that both know, ``both`` those of them that trained in both."""

    one: Watch
    other: Watch
    rows: tuple[np.ndarray, np.ndarray]
    both: np.ndarray
    alignment: Alignment


def choose_other(run: Run) -> Run | None:
    """The run to show beside ``run``, or None; shown as a selectbox of the runs that have frames."""
    runs, _ = list_runs(artifacts_root())
    by_id = {each.id: each for each in runs if each.id != run.id and each.status.state != "queued"}
    if from_url("other") == run.id:
        to_url(other=None)  # it was the second and has become the first
    chosen = url_selectbox(
        "Compare with", [NONE, *by_id], "other", default=NONE, show={NONE: NONE, **{i: run_label(each) for i, each in by_id.items()}}.get,
        help="Another N_entries, activation, seed or split. It is turned onto the first run without changing a distance.",
    )  # fmt: skip
    if chosen is None:
        st.warning("The address names a run to compare with that does not exist.", icon=":material/help:")
    return None if chosen in (None, NONE) else open_run(artifacts_root(), chosen)


def paired(one: Watch, other: Watch) -> Pair:
    """Turn the last frame of ``other`` onto that of ``one``; one turn serves all frames.

    Raises SettingRefused where fewer than two materials trained in both.
    """
    rows = common_materials(one.run.data.materials, other.run.data.materials)
    both = one.way.trained[rows[0]] & other.way.trained[rows[1]]
    alignment = procrustes(other.way.vectors(-1)[rows[1][both]], one.way.vectors(-1)[rows[0][both]])
    return Pair(one, other, rows, both, alignment)


def beside(pair: Pair, basis: PcaBasis, groups: Arrays | None, own: Arrays | None) -> Look:
    """What is shown of the other run: on the axes of the first, coloured by the clusters of the first before its own."""
    key = content_key(
        {"directions": basis.directions, "mean": basis.mean}, one=pair.one.way.key, other=pair.other.way.key
    )
    films = _aligned(key, pair, basis)
    carried: list[Categories] = []
    if groups is not None:
        labels = np.full(len(pair.other.way.trained), NO_CLUSTER)
        labels[pair.rows[1]] = groups["labels"][-1][pair.rows[0]]
        names = [f"Cluster {number + 1}" for number in range(int(groups["labels"].max(initial=-1)) + 1)]
        carried.append(Categories(f"{PINNED} of the first run", names, labels, "no cluster there"))
    return Look(films, basis, pair.one.far_entries, [], own, aligned=True, carried=carried)


@st.cache_resource(max_entries=3, show_spinner=False)
def _aligned(key: str, _pair: Pair, _basis: PcaBasis) -> dict[str, Film]:
    axes = _basis.apply(np.zeros((1, len(_basis.mean)))).axes[:3]
    entries = _pair.one.far_entries
    narrow = PcaBasis(_basis.mean, _basis.directions[:, :3], _basis.explained[:3])
    names = tuple(f"entry {entry + 1}" for entry in entries)
    return {
        PCA: aligned_film(_pair.other.way, _pair.alignment, narrow, axes, []),
        ENTRIES: aligned_film(_pair.other.way, _pair.alignment, None, names, entries),
    }


def agreement(pair: Pair) -> Arrays | Progress | None:
    """``share`` (T,) of the nearest that both runs name at each frame of the first, ``of``, ``by_chance``."""
    if pair.one.live or pair.other.live or pair.both.sum() < 3:
        return None
    return answer(pair.one, "common", {"other": str(pair.other.run.path)}, also=pair.other.way.key)


def agreement_sentence(pair: Pair, found: Arrays | None, frame: int) -> str:
    """How far the two runs agree, in words."""
    text = (
        f"{int(pair.both.sum()):,} materials trained in both runs. Turned onto each other at their last steps, the two clouds "
        f"agree in {pair.alignment.agreement:.0%} of their spread."
    )
    if found is not None:
        share, chance, of = float(found["share"][frame]), float(found["by_chance"][0]), int(found["of"][0])
        text += f" At this step they share {share:.1%} of a material's {of} nearest; chance would give {chance:.1%}."
    return text
