"""What the pages that look at a run ask of it: vectors and facts at a step, clusters and pictures, each once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.runs.store import Run, artifacts_root
from matrep_core.views import clustering, projection
from matrep_core.views.cache import content_key
from matrep_core.views.facts import RARE, material_facts
from matrep_core.views.layouts import umap_layout

METHODS = ("KMeans", "HDBSCAN")
MANY = 20_000  # materials; from here on a UMAP layout takes minutes


@dataclass(frozen=True, eq=False)
class Look:
    """The materials of one run at one training step.

    vectors: (M, N) float32; facts: M rows as ``material_facts`` gives; trained: (M,) bool, has support;
    key: names all of that by content, for what is computed from it
    """

    run: Run
    step: int
    vectors: np.ndarray
    facts: pd.DataFrame
    trained: np.ndarray
    key: str


def look_at(run: Run, step: int) -> Look:
    """The materials of ``run`` at ``step``, which must be the kept step or that of a frame."""
    facts = material_facts(run.data, run.parts)
    if step == run.kept_step:
        vectors = run.vectors()
    else:
        vectors = run.frame(int(np.searchsorted(run.frame_steps(), step)))
    trained = facts["support"].to_numpy() > 0
    key = content_key({"vectors": vectors, "trained": trained}, materials=run.data.materials)
    return Look(run, step, vectors, facts, trained, key)


def material_label(facts: pd.DataFrame, index: int) -> str:
    """``CODE · INCI name`` as lists show it."""
    code, inci = facts["material"].iloc[index], facts["inci"].iloc[index]
    return f"{code} · {inci}" if inci and inci != code else code


def caution(support: int) -> str:
    """What to say of a material that was hardly or never trained; "" for the others."""
    if support == 0:
        return "never trained"
    return f"rare: {support} formula{'s' if support > 1 else ''}" if support <= RARE else ""


def amount_range(low: float, high: float, unit: str = " weight-%") -> str:
    """Two amounts as one text; "none" where there are none (NaN)."""
    if math.isnan(low):
        return "none"
    return f"{low:.3g}{unit}" if low == high else f"{low:.3g} – {high:.3g}{unit}"


def suggested_clusters(look: Look) -> int | None:
    """The number of KMeans clusters with the best silhouette; None where there is nothing to group."""
    return _suggested(look.key, look.vectors, look.trained)


@st.cache_data(max_entries=64, show_spinner="Looking for groups …")
def _suggested(key: str, _vectors: np.ndarray, _trained: np.ndarray) -> int | None:
    return clustering.suggest_clusters(_vectors, _trained)


def clusters(look: Look, method: str, number: int) -> tuple[np.ndarray, float]:
    """(M,) labels by one of METHODS and their silhouette; ``number`` is clusters or members of the least group."""
    return _clusters(look.key, method, number, look.vectors, look.trained)


@st.cache_data(max_entries=64, show_spinner="Grouping the materials …")
def _clusters(
    key: str, method: str, number: int, _vectors: np.ndarray, _trained: np.ndarray
) -> tuple[np.ndarray, float]:
    find = clustering.kmeans if method == "KMeans" else clustering.hdbscan
    labels = find(_vectors, _trained, number)
    return labels, clustering.silhouette(_vectors, labels)


def picture(look: Look, kind: str) -> projection.Picture:
    """The materials drawn by "axes" (every entry, two of them shown at a time), "PCA" or "UMAP"."""
    if kind == "axes":
        return projection.raw_axes(look.vectors)
    if kind == "PCA":
        return projection.pca_basis(look.vectors, 2, look.trained).apply(look.vectors)
    note = st.empty()
    usual = "10 to 30 s" if len(look.vectors) < MANY else "some minutes"

    def waiting(seconds: float) -> None:
        note.info(
            f"Computing the UMAP layout in a process of its own: {seconds:.0f} s so far, usually {usual}. "
            "It is computed once and then kept.",
            icon=":material/hourglass_top:",
        )

    drawn = umap_layout(artifacts_root(), look.vectors, waiting=waiting)
    note.empty()
    return drawn


def faithfulness_sentence(look: Look, drawn: np.ndarray) -> str:
    """How far the (M, D) picture keeps neighbours, in words; measured on the trained materials."""
    if look.trained.sum() < 3:
        return "Too few trained materials to say how well this picture keeps neighbours."
    found = _faithfulness(look.key, content_key({"drawn": drawn}), look.vectors, drawn, look.trained)
    share = found.kept / found.of
    if share > 0.999:
        return "This picture loses nothing: what is near here is near in the original space."
    word = "A faithful picture" if share >= 0.8 else "A fair picture" if share >= 0.5 else "A rough picture"
    return (
        f"{word}: of a material's {found.of} nearest in the original space, {found.kept:.1f} on average are also among "
        f"the {found.of} nearest here; by chance it would be {found.by_chance:.2g}. "
        "The page Similar measures in the original space."
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _faithfulness(
    key: str, drawn_key: str, _vectors: np.ndarray, _drawn: np.ndarray, _trained: np.ndarray
) -> projection.Faithfulness:
    return projection.faithfulness(_vectors[_trained], _drawn[_trained])
