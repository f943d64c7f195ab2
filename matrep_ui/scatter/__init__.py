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
    turn       (D, A) and centre (D,): positions are (q * scale - centre) @ turn, worked out in the browser, no bytes
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

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from matrep_ui.scatter.bundle import mounts
from matrep_ui.scatter.payload import Categories, Curve, Mark, Scale, ScatterPayload

__all__ = [
    "Carried", "Categories", "Curve", "Mark", "Scale", "ScatterEvents", "ScatterPayload", "carry", "scatter", "steer",
]  # fmt: skip

# A mount without a picture of its own takes no room on the page.
_UNSEEN = ".stElementContainer:has(.matrep-unseen) { display: none; }\n"
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
    """Data that is on its way to the browser; names its parts."""

    part_ids: dict[str, str]


@dataclass(frozen=True)
class ScatterEvents:
    """What the viewer shows now, as far as it has told: selected ids in the order chosen, the step at rest."""

    selected: tuple[str, ...]
    step: int | None
    colour: str | None
    axes: tuple[int, ...]


def carry(payload: ScatterPayload, *, key: str) -> Carried:
    """Send the data to the browser; call it outside of fragments, with the key of the view."""
    _code(key=f"{key}-code")
    for name, block in payload.parts.items():
        _carrier(key=f"{key}-{name}", data=block)
    return Carried(payload.part_ids)


def scatter(
    payload: ScatterPayload | Carried,
    *,
    key: str,
    height: int = 560,
    selected: Sequence[str] = (),
    step: int | None = None,
    colour: str | None = None,
    axes: Sequence[int] = (),
    label: str = "Map of material vectors",
    caption: str = "",
) -> ScatterEvents:
    """Show the points; return what is selected.

    height:   of the picture in CSS pixels; the scrubber comes below it
    selected, step, colour, axes: where a new view starts (for example from the page's address); later changes of
              these have no effect, see ``steer``. Step None is the last one; three axes are shown in depth
    label:    says what is shown: read to those who cannot see it, and the title of what is saved
    caption:  the data set, run and projection, for the foot of what is saved

    ``key`` must not contain two underscores in a row (Streamlit's own mark).
    """
    if isinstance(payload, ScatterPayload):
        payload = carry(payload, key=key)
    ask = st.session_state.get(_ask_key(key))
    options: dict[str, Any] = {
        "parts": payload.part_ids, "height": height, "label": label, "caption": caption, "ask": ask,
        "start": {"selected": list(selected), "step": step, "colour": colour, "axes": list(axes)},
    }  # fmt: skip
    state = _view(key=key, data=options, on_view_change=lambda: None).get("view") or {}
    if ask and state.get("ask") == ask["id"]:
        del st.session_state[_ask_key(key)]
        ask = None
    told = {"selected": list(selected), "step": step, "colour": colour, "axes": list(axes), **state}
    if ask:
        told |= {name: value for name, value in ask.items() if value is not None}
    return ScatterEvents(tuple(told["selected"]), told["step"], told["colour"], tuple(told["axes"]))


def steer(key: str, *, selected: Sequence[str] | None = None, step: int | None = None) -> None:
    """Make the view with that key select these ids or show this step at its next run; None leaves as it is."""
    st.session_state[_ask_key(key)] = {
        "id": secrets.token_hex(4), "selected": None if selected is None else list(selected), "step": step,
    }  # fmt: skip


def _ask_key(key: str) -> str:
    return f"{key}:ask"
