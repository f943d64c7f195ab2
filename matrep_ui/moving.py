"""The moving picture of one run, or of two side by side, as the viewer takes it: places, colours, curve, marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.runs.store import Run
from matrep_core.views.background import Arrays
from matrep_core.views.cache import content_key
from matrep_core.views.clustering import NO_CLUSTER
from matrep_core.views.distilled import LAID_OUT
from matrep_core.views.dynamics import Event
from matrep_core.views.facts import info_texts
from matrep_core.views.film import Film
from matrep_core.views.projection import PcaBasis
from matrep_ui.map import by_text
from matrep_ui.scatter import Categories, Curve, Mark, Projection, Scale, ScatterPayload, Share
from matrep_ui.watching import ENTRIES, PCA, UMAPS, Watch, umap_possible

PINNED, CURRENT = "cluster at the last step", "cluster of each step"
TRUST_NAMES = ("neighbours kept", "trustworthiness", "continuity")
_PCA_NOTE = "PCA: one basis for all steps, so that distances stay comparable."
_ALIGNED_NOTE = "Turned onto the first run at the last steps, without changing a distance, and drawn on that run's axes."
_NUMERIC = 0.8  # of the texts of a column that must be numbers to colour by a number


@dataclass(frozen=True, eq=False)
class Look:
    """What is shown of a run: its films by name, and what is known of them so far.

    entries: those that travel where not all do; trust: of the projection and axes shown; common: (T,) share of the
    nearest that another run has too; aligned: the films are laid onto those of another run; carried: that run's colours
    """

    films: dict[str, Film]
    basis: PcaBasis
    entries: list[int]
    events: list[Event]
    groups: Arrays | None = None
    trust: Arrays | None = None
    common: np.ndarray | None = None
    aligned: bool = False
    carried: Sequence[Categories] = ()


def _number_column(name: str, texts: np.ndarray) -> Scale | None:
    """A colour by a column that holds numbers, or None where it does not."""
    values = pd.to_numeric(pd.Series(texts, dtype="string"), errors="coerce").to_numpy(float, na_value=np.nan)
    known = texts != ""
    if not known.any() or np.isfinite(values[known]).mean() < _NUMERIC or len(np.unique(values[np.isfinite(values)])) < 2:
        return None
    return Scale(name, values, none_label="no number")


def _group_colours(groups: Arrays) -> list[Categories | Scale]:
    labels = groups["labels"].astype(np.int64)
    names = [f"Cluster {number + 1}" for number in range(labels.max(initial=-1) + 1)]
    return [Categories(PINNED, names, labels[-1], "no cluster"), Categories(CURRENT, names, labels, "no cluster")]


def colours(watched: Watch, look: Look) -> list[Categories | Scale]:
    """What the points can be coloured by; what is still computed joins later.

    The clusters hold their place from the start, so that the reader who looks at them sees them when they come.
    """
    way, data = watched.way, watched.run.data
    columns: list[Categories | Scale] = [*look.carried]
    if look.groups is not None:
        columns += _group_colours(look.groups)
    elif not watched.live and not look.carried:
        columns.append(Categories(PINNED, [], np.full(len(way.trained), NO_CLUSTER), "still being found"))
    if (functions := by_text("function", info_texts(data, "function"))) is not None:
        columns.append(functions)
    support = watched.facts["support"].to_numpy(float)
    columns.append(Scale("support", np.where(support > 0, support, np.nan), "training formulas", log=True))
    columns.append(Scale("order of the codes", np.arange(1, len(support) + 1)))
    if not watched.live:
        start = way.vectors(0)
        moved = np.stack([np.linalg.norm(way.vectors(frame) - start, axis=1) for frame in range(len(way))])
        columns.append(Scale("movement since the start", np.where(way.trained, moved, np.nan), none_label="never trained"))
    if look.trust is not None:
        for name, values in zip(TRUST_NAMES, look.trust["each"], strict=True):
            columns.append(Scale(f"{name} of each point", values, none_label="not measured"))
    taken = {column.name for column in columns} | {"inci"}
    for name in data.material_info.columns:
        if name not in taken:
            texts = info_texts(data, name)
            column = _number_column(name, texts) or by_text(name, texts)
            if column is not None:
                columns.append(column)
    return columns


def curve_of(run: Run) -> Curve | None:
    """The errors over the steps, for the scrubber; None before the first."""
    metrics = run.metrics()
    if metrics.empty:
        return None
    return Curve(
        metrics["step"].to_numpy(), metrics["train_mae"].to_numpy(), metrics["eval_mae"].to_numpy(),
        "mean absolute error", run.unit, run.status().best_step,
    )  # fmt: skip


def _projections(watched: Watch, look: Look) -> list[Projection]:
    """Every way to look. Where all entries travel, they come first and PCA is a turn of them, without bytes of its own."""
    way, basis = watched.way, look.basis
    turned = watched.whole and not look.aligned
    names = [f"entry {number + 1}" for number in range(watched.entries)]
    found = [Projection(ENTRIES, names, way.codes, way.scales, linear=watched.entries > 2)] if turned else []
    for name, film in look.films.items():
        if name == ENTRIES and not turned:
            all_names = film.axes if look.aligned else names
            found.append(Projection(name, all_names, film.codes, film.scales, carried=None if look.aligned else look.entries))
        elif name == PCA and turned:
            turn = Projection(name, film.axes, turn=basis.directions, centre=basis.mean, note=_PCA_NOTE)
            found.append(replace(turn, linear=len(film.axes) > 2))
        elif name == PCA:
            found.append(Projection(name, film.axes, film.codes, film.scales, linear=len(film.axes) > 2, note=_PCA_NOTE))
        elif name in UMAPS:
            trained = int(way.trained.sum())
            sample = f" from {LAID_OUT:,} of {trained:,} materials" if trained > LAID_OUT else ""
            note = (
                f"UMAP: laid out at the last step{sample}; a small network learned that layout and places every step "
                f"(it misses by {film.missed:.0%} of the radius). Distances between groups mean little."
            )
            found.append(Projection(name, film.axes, film.codes, film.scales, note=note))
    if look.aligned:
        # a share of the spread, which stands in brackets, is that of the first run
        axes = [[f"{axis.partition(' (')[0]} of the first run" for axis in each.axes] for each in found]
        found = [replace(each, note=_ALIGNED_NOTE, axes=names) for each, names in zip(found, axes, strict=True)]
    return [replace(each, space=f"{watched.run.id} {each.name} {look.aligned}") for each in found]


def payload_of(watched: Watch, look: Look) -> ScatterPayload:
    """What the viewer shows; the same object for the same content, so that it is packed and sent once."""
    key = content_key(
        {
            **{f"film {name}": film.codes for name, film in look.films.items()},
            **{f"groups {name}": values for name, values in (look.groups or {}).items()},
            **{f"trust {name}": np.asarray(values) for name, values in (look.trust or {}).items()},
            **{f"carried {column.name}": np.asarray(column.codes) for column in look.carried},
            "common": np.zeros(0) if look.common is None else look.common, "mean": look.basis.mean,
            "directions": look.basis.directions,
        },
        way=watched.way.key, aligned=look.aligned, run=watched.run.id, live=watched.live, entries=look.entries,
        films=list(look.films),
        metrics=(watched.run.path / "metrics.jsonl").stat().st_size, best=watched.run.status().best_step,
    )  # fmt: skip
    return _payload(key, watched, look)


@st.cache_resource(max_entries=6, show_spinner=False)
def _payload(key: str, _watched: Watch, _look: Look) -> ScatterPayload:
    watched, look, way = _watched, _look, _watched.way
    first, *others = _projections(watched, look)
    shares = []
    if look.trust is not None:
        shares += [Share(name, way.steps, total) for name, total in zip(TRUST_NAMES, look.trust["total"], strict=True)]
    if look.common is not None:
        shares.append(Share("common neighbours", way.steps, look.common))
    possible = [] if look.aligned else [ENTRIES, *(UMAPS if umap_possible(watched) else ())]
    offered = [name for name in possible if name not in {first.name, *(each.name for each in others)}]
    facts = watched.facts
    assert first.frames is not None
    return ScatterPayload(
        first.frames, way.steps, list(watched.run.data.materials), first.axes, scale=first.scale, carried=first.carried,
        linear=first.linear, note=first.note, original=watched.whole and not look.aligned, projection=first.name,
        projections=others, offered=offered,
        texts={"INCI name": facts["inci"].tolist(), "function": facts["function"].tolist()},
        numbers={"support": facts["support"].to_numpy()}, hollow=~way.trained, colours=colours(watched, look),
        curve=curve_of(watched.run), marks=[Mark(event.step, event.name) for event in look.events], shares=shares,
        space=first.space,
    )  # fmt: skip
