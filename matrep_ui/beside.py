"""A picture with a panel beside it, or below it where the screen is too narrow for both."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

PANEL = 340  # CSS pixels
LEAST = 560  # CSS pixels that the picture needs; with less the panel goes below

# Streamlit's own columns shrink down to phones before they wrap; this row wraps as soon as the picture would be cramped.
_CSS = f"""
[data-testid="stLayoutWrapper"]:has(> [class*="st-key-picture-of-"]) {{ flex: 1 1 {LEAST}px !important; min-width: min(100%, {LEAST}px); }}
[data-testid="stLayoutWrapper"]:has(> [class*="st-key-panel-of-"]) {{ flex: 1 1 {PANEL}px !important; max-width: 100%; }}
[data-testid="stLayoutWrapper"]:has(> [class*="st-key-picture-of-"]) {{ flex-grow: 8 !important; }}
.stElementContainer:has(.matrep-beside) {{ display: none; }}
"""
_style = st.components.v2.component("matrep_beside", css=_CSS, html="<span class='matrep-beside'></span>", isolate_styles=False)


def beside(key: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """The containers for a picture and for its panel; ``key`` tells one such row of a page from another."""
    _style(key=f"beside-{key}")
    row = st.container(horizontal=True)
    picture = row.container(key=f"picture-of-{key}", width="stretch")
    return picture, row.container(key=f"panel-of-{key}", border=True, width="stretch")
