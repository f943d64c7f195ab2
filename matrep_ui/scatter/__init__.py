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
