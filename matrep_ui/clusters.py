"""The clusters of the page Materials: a table, a card each, and the map; each selects in the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import streamlit as st

from matrep_core.similarity.naming import Card, cards_table
from matrep_core.wording import signed
from matrep_ui.catalogue import add_to_basket
from matrep_ui.looking import Look
from matrep_ui.page import fresh_key, plain
from matrep_ui.scatter import steer
from matrep_ui.taking import downloads

MOST_CARDS = 12
CARD = 300  # CSS pixels


def cluster_name(card: Card) -> str:
    """``Cluster 3: thickener`` as legends and lists show it."""
    return f"Cluster {card.cluster + 1}" + (f": {card.name}" if card.name else "")


def show_clusters(look: Look, cards: Sequence[Card], labels: np.ndarray, effect_name: str, selected: Sequence[str]) -> None:
    """The table and the cards; a row or a card selects its materials on the map, and the map's selection its rows and cards."""
    index, materials = look.run.data.material_index, look.run.data.materials
    inside = np.array([labels[index[code]] for code in selected if code in index], dtype=int)
    counts = np.bincount(inside[inside >= 0], minlength=len(cards))
    codes = {card.cluster: [materials[i] for i in np.flatnonzero(labels == card.cluster)] for card in cards}
    st.session_state["codes of clusters"] = codes  # where a click finds them: what a callback holds stays as long as the session
    _table(look, cards, effect_name, counts)
    shown = sorted(cards, key=lambda card: (-min(counts[card.cluster], 1), -card.size))[:MOST_CARDS]
    if len(shown) < len(cards):
        st.caption(f"Cards of {len(shown)} of the {len(cards):,} clusters: those with selected materials first, then the largest. The table has all.")
    with st.container(horizontal=True):
        for card in shown:
            _card(card, effect_name, int(counts[card.cluster]))


def _table(look: Look, cards: Sequence[Card], effect_name: str, counts: np.ndarray) -> None:
    table = cards_table(cards, effect_name)
    table.insert(3, "selected", counts)
    table = table.dropna(axis="columns", how="all")
    if not (table["name"] != "").any():
        table = table.drop(columns=["name", "what stands out"])
    touched = [int(row) for row in np.flatnonzero(counts)]
    key = _key(f"{look.key} {len(cards)}", touched)
    st.dataframe(
        table, hide_index=True, on_select=partial(_select_rows, key), selection_mode="multi-row", selection_default={"selection": {"rows": touched}}, key=key,
        column_config={
            "name": st.column_config.TextColumn(help="From functions, name parts and formula types that stand out in it."),
            "centre": st.column_config.TextColumn(help="The material nearest to the mean of the cluster."),
            "stability": st.column_config.NumberColumn(format="%.2f", help="1 = comes back whole in every model of the run."),
            "selected": st.column_config.NumberColumn(help="How many of the materials selected on the map lie in it."),
            effect_name: st.column_config.NumberColumn(format="%.2g", help="Predicted, mean over models, materials and mixtures."),
            "typical formulas": st.column_config.TextColumn(help="Those that hold the most of it."),
        },
    )  # fmt: skip
    st.caption("Choose rows to select their materials on the map; what is selected on the map chooses its rows here.")
    downloads(table, f"clusters-{look.run.id}", key="clusters")


def _key(of: str, touched: list[int]) -> str:
    """The key of the table: a new one where the map chose other rows than the table shows, so that it starts with those."""
    key = fresh_key("cards", of)
    there = st.session_state.get(key)
    return key if there is None or sorted(there.selection.rows) == touched else fresh_key("cards", of, anew=True)


def _codes(clusters: Iterable[int]) -> list[str]:
    shown = st.session_state["codes of clusters"]
    return [code for cluster in clusters for code in shown.get(cluster, [])]


def _select(clusters: Iterable[int]) -> None:
    steer("map", selected=_codes(clusters))


def _select_rows(key: str) -> None:
    _select(st.session_state[key].selection.rows)


def _put(cluster: int) -> None:
    add_to_basket(_codes([cluster]))


def _card(card: Card, effect_name: str, selected: int) -> None:
    """One cluster: what it is, its middle, what it does, and where it is used."""
    with st.container(border=True, width=CARD, key=f"card of cluster {card.cluster}"):
        st.markdown(f"**{plain(cluster_name(card))}**")
        size = f"{card.size:,} material{'s' if card.size > 1 else ''}"
        lines = [f"{size}, {selected:,} of them selected" if selected else size, f"centre: {card.centre}"]
        if np.isfinite(card.effect):
            what, _, unit = effect_name.rpartition(" (")
            lines.append(f"{what} {signed(card.effect, unit.rstrip(')'))}")
        if np.isfinite(card.stability):
            lines.append(f"stability: {card.stability:.2f} (1 = comes back whole in every model)")
        st.text("\n".join(lines))
        if card.functions:
            st.caption("Functions that stand out")
            st.text("\n".join(f"{trait.text}: {trait.here:.0%} here, {trait.among_all:.0%} among all" for trait in card.functions))
        if card.formulas:
            st.caption("Formulas that hold the most of it")
            st.text("\n".join(f"{formula}: {amount:.3g} weight-%" for formula, amount in card.formulas))
        with st.container(horizontal=True):
            st.button("On the map", on_click=_select, args=([card.cluster],), key=f"select cluster {card.cluster}", icon=":material/scatter_plot:")
            st.button("Into the basket", on_click=_put, args=(card.cluster,), key=f"put cluster {card.cluster}", icon=":material/add_shopping_cart:")
