"""Choosing among the materials of a run: filters by every column with counts, and the basket of those put aside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.views.clustering import NO_CLUSTER
from matrep_core.views.facts import caution
from matrep_ui.looking import Look
from matrep_ui.page import from_url, to_url
from matrep_ui.taking import clipboard, downloads

MOST_ADDRESS = 1_500  # characters of one list of codes in the address; longer ones do not survive every mail program
MOST_CHOICES = 60  # different texts of a column that are offered one by one; above, a part of the text is asked for
UNKNOWN = "(unknown)"


@dataclass(frozen=True, eq=False)
class Column:
    """One column of the catalogue: "number", "choice" or "text", and its M values (NaN or "" = unknown)."""

    name: str
    kind: str
    values: np.ndarray


def columns_of(look: Look, labels: np.ndarray) -> dict[str, Column]:
    """What the materials can be filtered by: cluster, use, warning and every column of the materials table."""
    facts = look.facts
    names = np.array(["no cluster", *(f"Cluster {n + 1}" for n in range(labels.max() + 1))], dtype=object)
    clusters = names[np.where(labels == NO_CLUSTER, 0, labels + 1)]
    cautions = np.array([caution(n) or "none" for n in range(facts["support"].max() + 1)], dtype=object)
    found = {
        "code": Column("code", "text", facts["material"].to_numpy(object)),
        "cluster": Column("cluster", "choice", clusters),
        "training formulas": Column("training formulas", "number", facts["support"].to_numpy(float)),
        "largest amount (weight-%)": Column("largest amount (weight-%)", "number", facts["high"].to_numpy(float)),
        "caution": Column("caution", "choice", cautions[facts["support"]]),
    }
    return found | _described(look.run.data.material_info, str(look.run.path) + look.run.created)


@st.cache_resource(max_entries=4, show_spinner=False)
def _described(_info: pd.DataFrame, key: str) -> dict[str, Column]:
    """The columns of the materials table: what they are takes a look at every cell, and they do not change."""
    columns = {name: _column(name, _info[name].fillna("").astype(str).to_numpy(object)) for name in _info.columns if name != "material"}
    return {name: column for name, column in columns.items() if column}


def _column(name: str, texts: np.ndarray) -> Column | None:
    known = texts[texts != ""]
    if len(set(known)) < 2:
        return None
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(float)
    if np.isfinite(numbers[texts != ""]).all():
        return Column(name, "number", numbers)
    return Column(name, "choice" if len(set(known)) <= MOST_CHOICES else "text", texts)


def passes(column: Column, wanted: Any) -> np.ndarray:
    """(M,) bool which materials a filter lets through: a list of texts, [low, high], or a part of a text."""
    if column.kind == "number":
        low, high = wanted
        with np.errstate(invalid="ignore"):
            return (column.values >= low) & (column.values <= high)
    if column.kind == "choice":
        return np.isin(np.where(column.values == "", UNKNOWN, column.values).astype(str), list(wanted)) if wanted else np.ones(len(column.values), bool)
    part = str(wanted).casefold()
    return np.array([part in str(value).casefold() for value in column.values])


def counts_of(column: Column, others: np.ndarray) -> dict[str, int]:
    """How many materials that the other filters let through have each text of a choice, the commonest first."""
    texts = pd.Series(np.where(column.values == "", UNKNOWN, column.values))
    everywhere = texts.value_counts()
    here = texts[others].value_counts()
    return {str(text): int(here.get(text, 0)) for text in everywhere.index}


def stored_filters(columns: Mapping[str, Column]) -> dict[str, Any]:
    """The filters that the address holds; what does not fit the columns is left out."""
    try:
        stored = json.loads(from_url("filter") or "{}")
        return {name: wanted for name, wanted in stored.items() if name in columns and _fits(columns[name], wanted)}
    except (ValueError, AttributeError):
        return {}


def _fits(column: Column, wanted: Any) -> bool:
    if column.kind == "number":
        return isinstance(wanted, list) and len(wanted) == 2 and all(type(w) in (int, float) for w in wanted)
    if column.kind == "choice":
        return isinstance(wanted, list) and all(isinstance(w, str) for w in wanted)
    return isinstance(wanted, str)


def choose_filters(look: Look, labels: np.ndarray) -> np.ndarray:
    """(M,) bool which materials pass all filters; each choice shows how many the others leave. Lives in the address."""
    columns = columns_of(look, labels)
    stored = stored_filters(columns)
    everything = np.ones(len(look.facts), bool)
    with st.expander("Filter", icon=":material/filter_alt:", expanded=bool(stored)):
        names = st.multiselect("Columns to filter by", list(columns), default=list(stored), key=f"filters {look.run.id}")
        wanted: dict[str, Any] = {}
        before = {name: passes(columns[name], stored[name]) for name in names if name in stored}
        for name in names:
            others = np.logical_and.reduce([everything, *(mask for other, mask in before.items() if other != name)])
            wanted[name] = _ask(columns[name], stored.get(name), others, f"filter {look.run.id} {name}")
            before[name] = passes(columns[name], wanted[name])
        kept = np.logical_and.reduce([everything, *before.values()])
        asked = {name: value for name, value in wanted.items() if not passes(columns[name], value).all() or value == []}
        to_url(filter=json.dumps(asked, ensure_ascii=False) if asked else None)
        st.caption(f"{int(kept.sum()):,} of {len(kept):,} materials pass. The others stay on the map in grey.")
    return kept


def _ask(column: Column, stored: Any, others: np.ndarray, key: str) -> Any:
    if column.kind == "number":
        known = column.values[np.isfinite(column.values)]
        low, high = float(known.min()), float(known.max())
        if low == high:
            st.caption(f"All values of this column are {low:g}.")
            return [low, high]
        start = tuple(np.clip(stored, low, high)) if stored else (low, high)
        return [float(value) for value in st.slider(column.name, low, high, start, key=key)]
    if column.kind == "choice":
        counts = counts_of(column, others)
        return st.multiselect(
            column.name, list(counts), default=[text for text in stored or [] if text in counts], key=key,
            format_func={text: f"{text} ({count:,})" for text, count in counts.items()}.get, placeholder="all",
        )  # fmt: skip
    return st.text_input(f"{column.name} contains", stored or "", key=key)


# The basket ---------------------------------------------------------------------------------------


def basket() -> list[str]:
    """The codes that the user put aside in this session, or that the address brought, in the order in which they came."""
    if "basket" not in st.session_state:
        st.session_state["basket"] = codes_from_url("basket")
    return st.session_state["basket"]


def codes_to_url(name: str, codes: Sequence[str]) -> bool:
    """Keep ``codes`` in the address so that a bookmark brings them back; False where they are too many for that."""
    text = json.dumps(list(codes), ensure_ascii=False, separators=(",", ":"))
    short = len(quote(text)) <= MOST_ADDRESS
    to_url(**{name: text if codes and short else None})
    return short


def codes_from_url(name: str) -> list[str]:
    """The codes that the address holds under ``name``, each once; none where it holds anything else."""
    try:
        stored = json.loads(from_url(name) or "[]")
    except ValueError:
        return []
    whole = isinstance(stored, list) and all(isinstance(code, str) for code in stored)
    return list(dict.fromkeys(stored)) if whole else []


def add_to_basket(codes: Sequence[str]) -> None:
    st.session_state["basket"] = list(dict.fromkeys([*basket(), *codes]))


def empty_basket() -> None:
    st.session_state["basket"] = []


def show_basket(look: Look) -> None:
    """What is in the basket, and the ways to take it along."""
    index = look.run.data.material_index
    codes = [code for code in basket() if code in index]
    short = codes_to_url("basket", codes)
    with st.expander(f"Basket ({len(codes):,})", icon=":material/shopping_basket:"):
        if not codes:
            st.write("Select materials on the map (draw around them with the lasso) and put them into the basket.")
            return
        rows = look.facts.iloc[[index[code] for code in codes]]
        table = rows.rename(
            columns={"inci": "INCI name", "support": "training formulas", "low": "least amount (weight-%)", "high": "largest amount (weight-%)"}
        )
        st.dataframe(table, hide_index=True, height=min(300, 38 + 35 * len(table)))
        downloads(table, f"basket-{look.run.id}", key="basket")
        if not short:
            st.caption("These are too many for the address of the page: a bookmark does not bring them back. Export the table to keep them.")
        st.caption("To copy the codes, one a line: the button in the corner of the box.")
        clipboard(codes)
        st.button("Empty the basket", on_click=empty_basket, icon=":material/delete:")
