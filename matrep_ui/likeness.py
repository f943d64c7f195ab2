"""What the page Similar shows of neighbours, in words: the meaning of each ranking, tables, badges."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.runs.store import Run
from matrep_core.similarity.evidence import evidence, held_since
from matrep_core.similarity.ranking import Similarity
from matrep_core.views.cache import content_key
from matrep_core.views.facts import caution
from matrep_core.views.neighbours import Neighbours
from matrep_core.wording import give_or_take, signed
from matrep_ui.looking import Look, amount_range, ranks_of

BY_NAMES = {"fused": "All evidence", "profile": "Use in formulas", "code": "Learned vectors"}
BY_MEANING = {
    "fused": "All evidence: in what amounts and with which partners a material is used, what the models predict that it "
    "does, its learned vectors, which materials took its place in formulas that are otherwise alike, and known functions. "
    "On generated sets, with the functions hidden, 4 of the first 10 had the right function (by chance 1 of 10).",
    "profile": "Use in formulas: the usual amounts and the partners in formulas. No model and no measurement takes part, so "
    "it says who is used alike, not who acts alike.",
    "code": "Learned vectors: the distance between the vectors that the models learned, averaged over the models. "
    "On generated sets this was hardly better than chance at finding materials of one function: weak evidence alone.",
}  # fmt: skip


@st.cache_data(max_entries=64, show_spinner="Collecting the evidence …")
def _evidence(key: str, _similarity: Similarity, _found: Neighbours, _facts: pd.DataFrame, _run: Run) -> pd.DataFrame:
    since = lambda query, others: held_since(_run, query, others)  # noqa: E731
    return evidence(_similarity, _found, _facts, since)


def evidence_of(look: Look, similarity: Similarity, found: Neighbours) -> pd.DataFrame:
    """The table of evidence for each neighbour, computed once."""
    key = content_key({"indices": found.indices, "distances": found.distances}, query=found.query, run=str(look.run.path), look=look.key)
    return _evidence(key, similarity, found, look.facts, look.run)


def in_words(table: pd.DataFrame, look: Look) -> pd.DataFrame:
    """Evidence as a chemist reads it: a column a badge, every figure with its unit, no column without content."""
    ranks = ranks_of(look)
    prop = ranks.target
    shown = pd.DataFrame({"material": table["material"]})
    if (look.facts["inci"] != "").any():
        shown["INCI name"] = table["inci"]
    shown["distance"] = table["distance"]
    if (look.facts["function"] != "").any():
        shown["function"] = table["function"]
        shown["same function"] = table["same_function"].replace("", "unknown")
    shown["training formulas"] = table["support"]
    shown["amounts (weight-%)"] = [amount_range(a, b, unit="") for a, b in zip(table["low"], table["high"], strict=True)]
    shown["caution"] = table["caution"]
    shown["named by"] = [f"{n} of {k} {ranks.noun}" for n, k in zip(table["members_naming"], table["members_asked"], strict=True)]
    shown["held since"] = ["not held" if np.isnan(s) else f"step {int(s):,}" for s in table["since_step"]]
    unit = table["change_unit"].iloc[0] if len(table) else ""
    shown[f"swap changes {prop} by"] = [
        signed(mean, unit) + (f" {give_or_take(spread)}" if np.isfinite(spread) else "")
        for mean, spread in zip(table["change_mean"], table["change_spread"], strict=True)
    ]
    shown["at worst by"] = [signed(worst, unit) for worst in table["change_worst"]]
    shown["together"] = [
        word if not shared else f"{word} ({shared:,} formulas)"
        for word, shared in zip(table["together"], table["shared_formulas"], strict=True)
    ]
    shown["swapped in formulas"] = [
        f"{a} → {b}, {likeness:.0%} alike" if seen else ""
        for a, b, likeness, seen in zip(
            table["swap_from"], table["swap_to"], table["swap_likeness"], table["swaps"], strict=True
        )
    ]
    shown = shown.drop(columns=[name for name in ("caution", "swapped in formulas") if not (shown[name] != "").any()])
    first = ["material", "INCI name", "distance", "caution", "function", "same function", f"swap changes {prop} by", "at worst by", "named by"]
    last = ["training formulas", "amounts (weight-%)", "held since"]
    return shown[sorted(shown, key=lambda name: first.index(name) if name in first else 99 if name in last else 50)]


def exported(table: pd.DataFrame, look: Look) -> pd.DataFrame:
    """Evidence as it leaves: numbers in columns of their own, named with their units."""
    ranks = ranks_of(look)
    prop, unit = ranks.target, table["change_unit"].iloc[0] if len(table) else ""
    of = f" ({unit})" if unit else ""
    names = {
        "inci": "INCI name", "same_function": "same function", "function_distance": "function distance (Jaccard)",
        "support": "support (training formulas)", "low": "least amount (weight-%)", "high": "largest amount (weight-%)",
        "members_naming": f"{ranks.noun} that name it", "members_asked": f"{ranks.noun} asked", "since_step": "held since step",
        "change_mean": f"swap changes {prop} by{of}", "change_worst": f"at worst by{of}",
        "change_spread": f"spread over {ranks.noun}{of}", "shared_formulas": "shared formulas", "swaps": "swapped in formulas",
        "swap_from": "formula before", "swap_to": "formula after", "swap_likeness": "likeness of the two formulas",
    }  # fmt: skip
    left_out = ["change_unit", *([] if (look.facts["function"] != "").any() else ["function", "same_function", "function_distance"])]
    if not (look.facts["inci"] != "").any():
        left_out.append("inci")
    return table.drop(columns=left_out).rename(columns=names)


def short_list(look: Look, indices: np.ndarray, name: str, values: np.ndarray) -> pd.DataFrame:
    """Materials with one figure each, named ``name``, and what warns of them."""
    rows = look.facts.iloc[indices]
    return pd.DataFrame(
        {
            "material": rows["material"].to_numpy(), "INCI name": rows["inci"].to_numpy(), name: values,
            "function": rows["function"].to_numpy(), "training formulas": rows["support"].to_numpy(),
            "caution": [caution(int(support)) for support in rows["support"]],
        }
    )  # fmt: skip


def file_name(what: str, code: str, run: Run) -> str:
    """A file name without ending that any system takes, whatever the material is called."""
    safe = re.sub(r"[^A-Za-z0-9-]+", "_", code).strip("_")[:40] or "material"
    return f"{what}-{safe}-{run.id}"
