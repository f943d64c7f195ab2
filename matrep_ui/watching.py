"""What the page Dynamics asks of a run: all its frames, what is known and still computed of them, its projections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.runs.store import Run, artifacts_root
from matrep_core.views.background import Arrays, Progress, ask
from matrep_core.views.cache import content_key
from matrep_core.views.dynamics import Course, Event, course, events
from matrep_core.views.facts import material_facts
from matrep_core.views.film import Film, pca_film, raw_film, still_good
from matrep_core.views.projection import UMAP_LEAST, PcaBasis, pca_basis
from matrep_core.views.trajectory import Trajectory, trajectory

METHODS = ("KMeans", "HDBSCAN")
PCA, ENTRIES = "PCA", "Entries"
UMAPS = {"UMAP, 2 axes": 2, "UMAP, 3 axes": 3}
_WHOLE_ENTRIES, _WHOLE_BYTES = 16, 12_000_000  # up to here all entries travel and the browser turns them itself
_CARRIED_AXES = 3
_VERSION = 2  # of what the tasks compute; a new one leaves the old answers behind


@dataclass(frozen=True, eq=False)
class Watch:
    """One run with all its frames so far.

    facts: M rows as ``material_facts`` gives; live: it trains now, so that frames are still to come and
    nothing dear is computed of those that are there
    """

    run: Run
    way: Trajectory
    facts: pd.DataFrame
    live: bool

    @property
    def entries(self) -> int:
        return self.way.codes.shape[2]

    @property
    def whole(self) -> bool:
        """Whether all entries travel to the browser, which then finds neighbours and turns the axes itself."""
        return self.entries <= _WHOLE_ENTRIES and self.way.codes.nbytes <= _WHOLE_BYTES

    @cached_property
    def course(self) -> Course:
        return course(self.way)

    @cached_property
    def far_entries(self) -> list[int]:
        """The entries with the largest spread in the last frame, as many as travel at once, rising."""
        spread = self.way.vectors(-1)[self.way.trained].var(axis=0)
        return sorted(int(e) for e in np.argsort(-spread, kind="stable")[:_CARRIED_AXES])


def watch(run: Run) -> Watch:
    """All frames of ``run``; what was read before is not read again. Raises NotThere where it has none yet."""
    stamp = (run.path / "config.json").stat()
    held = _held(str(run.path), stamp.st_mtime_ns)
    before: Watch | None = held.get("watch")
    live = run.status().state in ("queued", "training")
    way = trajectory(run, before.way if before else None)
    if before is None or way is not before.way or live != before.live:
        facts = before.facts if before else material_facts(run.data, run.parts)
        held["watch"] = Watch(run, way, facts, live)
    found: Watch = held["watch"]
    return found


@st.cache_resource(max_entries=3, show_spinner=False)
def _held(path: str, stamp: int) -> dict[str, Any]:
    """A place to keep what was read of a run; ``stamp`` tells one run of that path from a later one."""
    return {}


def basis_of(watched: Watch, frame: int | None) -> tuple[PcaBasis, int]:
    """The PCA basis of one frame (None: the last), and that frame.

    While a run trains the basis of the last frame is kept until it shows clearly less than a new one would.
    """
    way = watched.way
    width = watched.entries if watched.whole else min(watched.entries, _CARRIED_AXES)
    if frame is None and watched.live:
        name = f"basis {watched.run.id}"
        kept: tuple[PcaBasis, int] | None = st.session_state.get(name)
        if kept is None or kept[1] >= len(way) or not still_good(way, kept[0]):
            st.session_state[name] = kept = (pca_basis(way.vectors(-1), width, way.trained), len(way) - 1)
        return kept
    number = len(way) - 1 if frame is None else frame
    return pca_basis(way.vectors(number), width, way.trained), number


def film_of(watched: Watch, name: str, basis: PcaBasis, entries: list[int]) -> Film | Progress:
    """A projection of all frames by its name, or how far it is."""
    if name == PCA:
        key = content_key({"directions": basis.directions, "mean": basis.mean}, way=watched.way.key)
        return _pca_film(key, watched.way, basis)
    if name == ENTRIES:
        return raw_film(watched.way, entries)
    dimensions = UMAPS[name]
    found = answer(watched, "umap over frames", {"dimensions": dimensions})
    if isinstance(found, Progress):
        return found
    return Film(found["codes"], found["scales"], tuple(f"UMAP {i + 1}" for i in range(dimensions)), float(found["missed"][0]))


@st.cache_resource(max_entries=4, show_spinner=False)
def _pca_film(key: str, _way: Trajectory, _basis: PcaBasis) -> Film:
    return pca_film(_way, _basis)


def answer(
    watched: Watch, task: str, settings: dict[str, Any], inputs: Arrays | None = None, also: str = ""
) -> Arrays | Progress:
    """What a background worker says of all frames of a finished run, or how far it is; each answer is read once.

    ``also`` names by content what the settings only point to.
    """
    named = {name: value for name, value in settings.items() if name != "other"}
    key = content_key(inputs or {}, way=watched.way.key, task=task, version=_VERSION, settings=named, also=also)
    held = _answers()
    if key not in held:
        found = ask(artifacts_root(), key, task, {"run": str(watched.run.path), **settings}, inputs)
        if isinstance(found, Progress):
            return found
        while len(held) >= _ANSWERS_HELD:
            held.pop(next(iter(held)))
        held[key] = found
    return held[key]


_ANSWERS_HELD = 24


@st.cache_resource(show_spinner=False)
def _answers() -> dict[str, Arrays]:
    return {}


def umap_possible(watched: Watch) -> bool:
    return not watched.live and watched.entries > 1 and int(watched.way.trained.sum()) >= UMAP_LEAST


def shows_everything(watched: Watch, name: str, axes: tuple[int, ...]) -> bool:
    """Whether a picture leaves nothing of the vectors out, so that every neighbour is kept."""
    return name in (PCA, ENTRIES) and len(axes) == watched.entries


def trust_of(watched: Watch, name: str, axes: tuple[int, ...], film: Film) -> Arrays | Progress | None:
    """``total`` (3, T) and ``each`` (3, T, M): neighbours kept, trustworthiness, continuity; None where it cannot be measured.

    ``chance`` (2,): of how many nearest, and the share of them that a picture without order would keep.
    """
    if watched.live or int(watched.way.trained.sum()) < 4:
        return None
    if shows_everything(watched, name, axes):
        each = np.where(watched.way.trained, np.float32(1), np.float32(np.nan))
        return {"total": np.ones((3, len(watched.way))), "each": np.broadcast_to(each, (3, len(watched.way), len(each)))}
    found = answer(watched, "trust", {"axes": [list(axes)]}, {"codes": film.codes})
    if isinstance(found, Progress):
        return found
    return {"total": found["total0"], "each": found["each0"], "chance": found["chance0"]}


def marks_of(watched: Watch, groups: Arrays | Progress | None) -> list[Event]:
    """The events of the run; whether groups form is known once they are found."""
    silhouettes = groups["silhouettes"] if isinstance(groups, dict) else None
    return events(watched.way, watched.course, silhouettes)


def trust_sentence(trust: Arrays, frame: int, step: int) -> str:
    """How far one frame of a picture can be trusted, in words."""
    if "chance" not in trust:
        return "This picture leaves nothing out: what is near here is near in the original space."
    kept, near, continuous = (float(share) for share in trust["total"][:, frame])
    of, chance = (float(number) for number in trust["chance"])
    word = "faithful" if kept >= 0.8 else "fair" if kept >= 0.5 else "rough"
    return (
        f"At step {step:,} the picture is {word}: of a material's {of:.0f} nearest in the original space {kept * of:.1f} are also "
        f"among its {of:.0f} nearest here; by chance it would be {chance * of:.2g}. Trustworthiness {near:.2f} (1: what is near "
        f"here is near there), continuity {continuous:.2f} (1: what is near there is near here; chance 0.5): so far do those "
        "that change places come from."
    )
