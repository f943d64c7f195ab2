"""What the pages that look at a run ask of it: vectors and facts at a step, clusters and pictures, each once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.formulas.schema import FormulaSet
from matrep_core.runs.store import Run, artifacts_root
from matrep_core.similarity.evidence import property_effects, similarity_of
from matrep_core.similarity.finding import Finder
from matrep_core.similarity.ranking import Similarity
from matrep_core.views import clustering, projection
from matrep_core.views.cache import content_key
from matrep_core.views.facts import info_texts, material_facts
from matrep_core.views.layouts import umap_layout

METHODS = {"KMeans": clustering.kmeans, "HDBSCAN": clustering.hdbscan, "Agglomerative": clustering.agglomerative}
MANY = 20_000  # materials; from here on a UMAP layout takes minutes


@dataclass(frozen=True, eq=False)
class Look:
    """The materials of one run at one training step.

    vectors: (M, N) float32; facts: M rows as ``material_facts`` gives; trained: (M,) bool, has support;
    key: names all of that by content, for what is computed from it; evidence: names the study whose runs speak for
    what acts alike, "" for the run itself; ranks: what they say, None where it is the run's own
    """

    run: Run
    step: int
    vectors: np.ndarray
    facts: pd.DataFrame
    trained: np.ndarray
    key: str
    evidence: str = ""
    ranks: Similarity | None = None


def _named(run: Run) -> str:
    """Tells a run from every other, also from a later one in the same folder."""
    return str(run.path) + run.created


@st.cache_resource(max_entries=8, show_spinner=False)
def _facts(_run: Run, key: str) -> pd.DataFrame:
    """One table for all steps and sessions: nothing in it depends on a step, and nobody writes into it."""
    return material_facts(_run.data, _run.parts)


def look_at(run: Run, step: int) -> Look:
    """The materials of ``run`` at ``step``, which must be the kept step or that of a frame."""
    facts = _facts(run, _named(run))
    if step == run.kept_step:
        vectors = run.vectors()
    else:
        vectors = run.frame(int(np.searchsorted(run.frame_steps(), step)))
    trained = facts["support"].to_numpy() > 0
    key = content_key({"vectors": vectors, "trained": trained}, materials=run.data.materials)
    return Look(run, step, vectors, facts, trained, key)


def ranks_of(look: Look) -> Similarity:
    """The materials ready to be ranked, by the run's own models or by the study that was chosen; raises NotThere."""
    return look.ranks or similarity(look.run)


def with_evidence(look: Look, evidence: str, ranks: Similarity) -> Look:
    """The same vectors, with a study's runs to speak for what acts alike."""
    return replace(look, evidence=evidence, ranks=ranks)


def as_evidence(look: Look) -> Look:
    """The look with support, amounts and trained materials of whatever speaks: the formulas that any run of it trained on."""
    if look.ranks is None:
        return look
    facts = material_facts(look.ranks.data, look.ranks.parts)
    return replace(look, facts=facts, trained=look.ranks.support > 0, key=f"{look.key} {look.evidence}")


@st.cache_resource(max_entries=4, show_spinner=False)
def _labels(_run: Run, key: str) -> dict[str, str]:
    pairs = zip(_run.data.materials, info_texts(_run.data, "inci").tolist(), strict=True)
    return {code: f"{code} · {inci}" if inci and inci != code else code for code, inci in pairs}


def material_labels(run: Run) -> dict[str, str]:
    """Of each code ``CODE · INCI name``, as lists show it; one for all lists, since each of them asks for thousands."""
    return _labels(run, _named(run))


def amount_range(low: float, high: float, unit: str = " weight-%") -> str:
    """Two amounts as one text; "none" where there are none (NaN)."""
    if math.isnan(low):
        return "none"
    return f"{low:.3g}{unit}" if low == high else f"{low:.3g} – {high:.3g}{unit}"


@st.cache_resource(max_entries=4, show_spinner="Comparing all materials …")
def _similarity(_run: Run, run_id: str, model: str) -> Similarity:
    return similarity_of(_run)


def similarity(run: Run) -> Similarity:
    """The run's materials ready to be ranked, computed once a kept model; raises NotThere before it has one."""
    return _similarity(run, str(run.path), content_key({"vectors": run.vectors()}))


@st.cache_data(max_entries=8, show_spinner="Asking the models …")
def _effects(key: str, _ranks: Similarity) -> tuple[np.ndarray, str]:
    return property_effects(_ranks)


def effects_of(look: Look) -> tuple[np.ndarray | None, str, str]:
    """(M,) what one weight-% more of each material does to the property, its unit, and the property; None before a model is kept."""
    if not has_model(look.run):
        return None, look.run.unit, look.run.settings.property
    ranks = ranks_of(look)
    return *_effects(f"{look.key} {look.evidence}", ranks), ranks.target


def has_model(run: Run) -> bool:
    return (run.path / "model").is_dir()


@st.cache_resource(max_entries=4, show_spinner="Reading names …")
def _finder(_data: FormulaSet, key: str) -> Finder:
    return Finder(_data)


def finder(run: Run) -> Finder:
    """The index of the names of the run's materials."""
    return _finder(run.data, _named(run))


def spaces(run: Run) -> dict[str, str]:
    """The spaces in which materials can be drawn and grouped, and what each is in a few words."""
    known = {
        "learned": "learned vectors: what the model made of each material",
        "fused": "all evidence: amounts, partners, predicted effect and learned vectors",
        "profile": "use in formulas: amounts and partners, without a model",
    }
    if info_texts(run.data, "function").any():
        known["functions"] = "functions: ones and zeros from the materials table"
    return known


def points_of(look: Look, space: str) -> np.ndarray:
    """(M, D) the materials in one of ``spaces``; the learned vectors are those of the step that is looked at."""
    if space == "learned":
        return look.vectors
    found = ranks_of(look)
    if space == "functions":
        return found.functions[0].toarray().astype(np.float32)
    return found.profile_points if space == "profile" else found.fused_points


def suggested_clusters(look: Look, space: str = "learned") -> int | None:
    """The number of KMeans clusters with the best silhouette; None where there is nothing to group."""
    return _suggested(f"{look.key} {look.evidence} {space}", points_of(look, space), look.trained)


@st.cache_data(max_entries=64, show_spinner="Looking for groups …")
def _suggested(key: str, _vectors: np.ndarray, _trained: np.ndarray) -> int | None:
    return clustering.suggest_clusters(_vectors, _trained)


def clusters(look: Look, method: str, number: int, space: str = "learned") -> tuple[np.ndarray, float]:
    """(M,) labels by one of METHODS and their silhouette; ``number`` is clusters or members of the least group."""
    return _clusters(f"{look.key} {look.evidence} {space}", method, number, points_of(look, space), look.trained)


@st.cache_data(max_entries=64, show_spinner="Grouping the materials …")
def _clusters(
    key: str, method: str, number: int, _vectors: np.ndarray, _trained: np.ndarray
) -> tuple[np.ndarray, float]:
    labels = METHODS[method](_vectors, _trained, number)
    return labels, clustering.silhouette(_vectors, labels)


def member_clusters(look: Look, method: str, number: int) -> list[np.ndarray]:
    """The same grouping of each further model's own vectors, for how stable a cluster is; [] for a lone model."""
    found = similarity(look.run).ensemble.members[1:]
    return [
        _clusters(content_key({"vectors": m.vectors, "support": m.support}), method, number, m.vectors, m.support > 0)[0]
        for m in found
    ]


def picture(look: Look, kind: str, space: str = "learned") -> projection.Picture:
    """The materials of one of ``spaces`` drawn by "axes" (every entry), "PCA" (up to 3 directions) or "UMAP"."""
    points = points_of(look, space)
    if kind == "axes":
        return projection.raw_axes(points)
    if kind == "PCA":
        return projection.pca_basis(points, min(3, points.shape[1]), look.trained).apply(points)
    note = st.empty()
    usual = "10 to 30 s" if len(points) < MANY else "some minutes"

    def waiting(seconds: float) -> None:
        note.info(
            f"Computing the UMAP layout in a process of its own: {seconds:.0f} s so far, usually {usual}. "
            "It is computed once and then kept.",
            icon=":material/hourglass_top:",
        )

    drawn = umap_layout(artifacts_root(), points, waiting=waiting)
    note.empty()
    return drawn


def mixtures_on(look: Look, kind: str) -> np.ndarray:
    """(F, D) where the formulas lie in a linear picture of the learned vectors: the mean of their materials by amount."""
    mixtures = look.run.data.amounts @ look.vectors.astype(np.float64) / 100
    if kind == "axes":
        return mixtures
    return projection.pca_basis(look.vectors, min(3, look.vectors.shape[1]), look.trained).apply(mixtures).coordinates


def faithfulness_sentence(look: Look, drawn: np.ndarray, space: str = "learned") -> str:
    """How far the (M, D) picture keeps neighbours, in words; measured on the trained materials."""
    if look.trained.sum() < 3:
        return "Too few trained materials to say how well this picture keeps neighbours."
    points = points_of(look, space)
    found = _faithfulness(f"{look.key} {look.evidence} {space}", content_key({"drawn": drawn}), points, drawn, look.trained)
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
