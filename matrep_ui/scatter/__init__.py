"""MatRep's own viewer of points over training steps: WebGL2 in the browser, values in, a selection out.

A page that looks at one thing:

    events = scatter(payload, key="map")
    st.dataframe(table_of(events.selected))

A page that wants a click to rerun only what depends on it carries the data outside its fragment:

    carried = carry(payload, key="map")

    @st.fragment
    def look():
        events = scatter(carried, key="map")
        st.dataframe(table_of(events.selected))

    look()

The browser keeps camera, step, selection and query when the page runs again, and reports to Python only at the
end of an action: a click, a lasso, the release of the scrubber. ``steer`` sets the selection or the step from
Python. Three kinds of mount make that cheap: one brings the viewer's code, several bring the parts of the data
(see ``payload``), and the view brings a few hundred bytes of options; Streamlit resends a mount only if it changed.

Several ways to look. ``ScatterPayload.frames`` is the first projection, named ``ScatterPayload.projection``;
``projections`` are more of them (``Projection``), switched in the browser with nothing sent:

    ScatterPayload(frames=q, scale=scales, ..., projection="Entries", axes=entry_names, original=True, linear=True,
        projections=[Projection("PCA", axes=("PC 1 (80 %)", "PC 2 (9 %)", "PC 3 (4 %)"), turn=directions, centre=mean),
                     Projection("UMAP", axes=("UMAP 1", "UMAP 2"), frames=layout, scale=scale, note="distilled ...")],
        offered=["UMAP, 3 axes"])

    q          (T, N, D) int16; scale one number or (T,), one a frame, so that frames appended later change no old one
    turn       (D, A) and centre (D,): positions are (own position - centre) @ turn, worked out in the browser, no bytes
    original   these D coordinates ARE the material vectors: neighbours and movement are worked out in the browser
    linear     a linear image of the vectors with 3 to 16 coordinates: the grand tour can turn through it
    axes       names of all A coordinates one may choose; ``carried`` says which D of them ``frames`` holds
    offered    names of projections that can be asked for; choosing one (or an axis that is not carried) sets
               ``events.wanted``: the page stores events.projection and events.axes, builds the payload, st.rerun()

Before it builds the payload a page reads ``asked(key)``: the ScatterEvents of the last report, or None.

Neighbours in the original space, for the detail card and for the false and missing neighbours of the last selected
point, come from the first of: ``ScatterPayload.neighbours`` (T, N, k) where ``neighbours_fit`` says that they are
small enough; the browser itself where ``original``; ``scatter(near={id: (T, k) indices})`` for the selected ids.

The scrubber draws ``curve`` (errors), ``marks`` (events) and ``shares`` (``Share``: trustworthiness, continuity,
common neighbours of two runs: 0 to 1 over steps, read out beside the step). The reader sets two marks A and B on
it; ``events.marks`` are their steps. Colours of (T, N) follow the frame; give a ``Scale`` its ``bounds`` where the
frames grow while a run trains.

Two views with the same ``link`` share step (by training step), marks and selection (by id); the second takes
``scrubber=False``.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from matrep_ui.scatter.bundle import mounts
from matrep_ui.scatter.packing import narrow, part_id
from matrep_ui.scatter.payload import (
    Categories,
    Curve,
    Mark,
    Projection,
    Scale,
    ScatterPayload,
    Share,
    neighbours_fit,
    quantised,
)

__all__ = [
    "Carried", "Categories", "Curve", "Mark", "Projection", "Scale", "ScatterEvents", "ScatterPayload", "Share",
    "asked", "carry", "neighbours_fit", "quantised", "scatter", "steer",
]  # fmt: skip

MOST_BLOCKS = 60  # of frames that came one after another; then all are sent again in a few large parts

# A mount without a picture of its own takes no room on the page.
_CARRIED = "matrep-carried"  # at the end of the key of the container that holds the mounts of a view's data
_UNSEEN = (
    f'.stElementContainer:has(.matrep-unseen), [class*="-{_CARRIED}"],\n'
    f':has(> [class*="-{_CARRIED}"]:only-child) {{ display: none; }}\n'
)
_UNSEEN_HTML = "<span class='matrep-unseen'></span>"
_scripts = mounts()
_code = st.components.v2.component(
    "matrep_code", js=_scripts["code"], css=_UNSEEN, html=_UNSEEN_HTML, isolate_styles=False
)
_carrier = st.components.v2.component(
    "matrep_carrier", js=_scripts["carrier"], css=_UNSEEN, html=_UNSEEN_HTML, isolate_styles=False
)
_view = st.components.v2.component("matrep_view", js=_scripts["view"])


@dataclass(frozen=True)
class Carried:
    """Data that is on its way to the browser; names its parts, and the axes that each projection can be drawn on."""

    part_ids: dict[str, str]
    axes: dict[str, frozenset[int]]
    first: str


@dataclass(frozen=True)
class ScatterEvents:
    """What the viewer shows now, as far as it has told.

    selected: ids in the order chosen; step: at rest; colour: name of the column; axes: numbers of the axes shown;
    projection: its name; marks: the steps of the reader's marks A and B, as many as are set;
    wanted: the reader has asked for a projection or an axis that the payload does not hold: build it and rerun.
    It is true once for each asking, so that a page that cannot bring it does not run for ever.
    """

    selected: tuple[str, ...]
    step: int | None
    colour: str | None
    axes: tuple[int, ...]
    projection: str | None = None
    marks: tuple[int, ...] = ()
    wanted: bool = False


def carry(payload: ScatterPayload, *, key: str) -> Carried:
    """Send the data to the browser; call it outside of fragments, with the key of the view.

    Where the frames have grown since the last call with this key and the old ones are the same, only the new ones
    travel, as a block of their own.
    """
    ids: dict[str, str] = {}
    with st.container(key=f"{key}-{_CARRIED}"):  # of their own: one more of them must not move what comes after
        _code(key=f"{key}-code")
        for name, block in _parts(payload, key).items():
            _carrier(key=f"{key}-{name}", data=block)
            ids[name] = part_id(block)
    return Carried(ids, payload.carried_axes, payload.projection)


def _parts(payload: ScatterPayload, key: str) -> dict[str, bytes]:
    """The parts, cut where this session's earlier blocks of frames ended if those are still the same."""
    frames = len(payload.steps)
    starts, count, before = st.session_state.get(f"{key}:sent", ((), 0, {}))
    parts = None
    if starts and count <= frames:
        grown = starts if count == frames else (*starts, count)
        parts = payload.parts_from(grown)
        same = all(name in parts and part_id(parts[name]) == old for name, old in before.items())
        if same and len(grown) <= MOST_BLOCKS:
            starts = grown
        else:
            parts = None
    if parts is None:
        parts = payload.parts
        starts = payload.starts
    sent = {name: part_id(block) for name, block in parts.items() if name.startswith("frames")}
    st.session_state[f"{key}:sent"] = (starts, frames, sent)
    return parts


def scatter(
    payload: ScatterPayload | Carried,
    *,
    key: str,
    height: int = 560,
    selected: Sequence[str] = (),
    step: int | None = None,
    colour: str | None = None,
    axes: Sequence[int] = (),
    projection: str | None = None,
    marks: Sequence[int] = (),
    near: Mapping[str, np.ndarray] | None = None,
    link: str = "",
    scrubber: bool = True,
    label: str = "Map of material vectors",
    caption: str = "",
) -> ScatterEvents:
    """Show the points; return what is selected.

    height:   of the picture in CSS pixels; the scrubber comes below it
    selected, step, colour, axes, projection, marks: where a new view starts (for example from the page's address);
              later changes of these have no effect, see ``steer``. Step None is the last one; three axes are shown
              in depth
    near:     by id (T, k) indices of its neighbours at each frame, nearest first; give those of the last selected
    link:     views with the same name on one page share step, marks and selection
    scrubber: False where a linked view has one
    label:    says what is shown: read to those who cannot see it, and the title of what is saved
    caption:  the data set, run and projection, for the foot of what is saved

    ``key`` must not contain two underscores in a row (Streamlit's own mark).
    """
    if isinstance(payload, ScatterPayload):
        payload = carry(payload, key=key)
    ask = st.session_state.get(f"{key}:ask")
    start = {
        "selected": list(selected), "step": step, "colour": colour, "axes": list(axes), "projection": projection,
        "marks": list(marks),
    }  # fmt: skip
    options: dict[str, Any] = {
        "parts": payload.part_ids, "height": height, "label": label, "caption": caption, "ask": ask, "start": start,
        "link": link, "scrubber": scrubber, "near": {name: _near(indices) for name, indices in (near or {}).items()},
    }  # fmt: skip
    state = _view(key=key, data=options, on_view_change=lambda: None).get("view") or {}
    if ask and state.get("ask") == ask["id"]:
        del st.session_state[f"{key}:ask"]
        ask = None
    told = {**start, **state}
    if ask:
        told |= {name: value for name, value in ask.items() if value is not None}
    shown = told["projection"] if told["projection"] is not None else payload.first
    events = ScatterEvents(
        tuple(told["selected"]), told["step"], told["colour"], tuple(told["axes"]), shown, tuple(told["marks"]),
        _wanted(payload, key, shown, tuple(told["axes"])),
    )  # fmt: skip
    st.session_state[f"{key}:told"] = events
    return events


def asked(key: str) -> ScatterEvents | None:
    """What the view with that key told last, before it is shown again; None before the first time."""
    return st.session_state.get(f"{key}:told")


def steer(
    key: str, *, selected: Sequence[str] | None = None, step: int | None = None, marks: Sequence[int] | None = None
) -> None:
    """Make the view with that key select these ids, show this step or set these marks at its next run.

    None leaves as it is.
    """
    st.session_state[f"{key}:ask"] = {
        "id": secrets.token_hex(4), "selected": None if selected is None else list(selected), "step": step,
        "marks": None if marks is None else list(marks),
    }  # fmt: skip


def _wanted(payload: Carried, key: str, projection: str, axes: tuple[int, ...]) -> bool:
    """Whether this is a new wish for something that does not travel."""
    lacking = projection not in payload.axes or not payload.axes[projection].issuperset(axes)
    wish = (projection, axes) if lacking else None
    new = wish is not None and st.session_state.get(f"{key}:wish") != wish
    st.session_state[f"{key}:wish"] = wish
    return new


def _near(indices: np.ndarray) -> dict[str, Any]:
    narrowed = narrow(indices)
    text = base64.b64encode(np.ascontiguousarray(narrowed, narrowed.dtype.newbyteorder("<")).tobytes()).decode()
    return {"k": indices.shape[1], "bytes": narrowed.dtype.itemsize, "data": text}
