"""The map of a run's materials: spaces, clusters, filters; a click leads to the material and what acts like it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.errors import NotThere
from matrep_core.formulas.schema import FormulaSet
from matrep_core.similarity.evidence import agreement
from matrep_core.similarity.naming import Card, cluster_cards, cluster_stability
from matrep_core.views.clustering import CLUSTERS, MEMBERS, NO_CLUSTER
from matrep_core.views.facts import caution, find_material
from matrep_ui.beside import beside
from matrep_ui.catalogue import add_to_basket, choose_filters, codes_from_url, codes_to_url, show_basket
from matrep_ui.catalogue_map import FORMULA, catalogue_payload, formula_detail
from matrep_ui.clusters import cluster_name, show_clusters
from matrep_ui.looking import (
    METHODS,
    Look,
    amount_range,
    clusters,
    effects_of,
    faithfulness_sentence,
    has_model,
    look_at,
    member_clusters,
    picture,
    points_of,
    ranks_of,
    spaces,
    suggested_clusters,
)
from matrep_ui.page import choose_run, choose_step, fresh_key, from_url, link, plain, show_errors, start_page, to_url, url_control, url_number, url_toggle
from matrep_ui.scatter import carry, scatter
from matrep_ui.speaking import choose_evidence

NEAREST_SHOWN = 5
ONE_DIRECTION = 0.9  # of the variance along the first direction
FEW = 2_000  # materials; up to that the stability of clusters is measured unasked
PICTURES = {"PCA": "PCA", "UMAP": "UMAP", "axes": "Entries"}
SPACES = {"learned": "Learned vectors", "fused": "All evidence", "profile": "Use in formulas", "functions": "Functions"}


def choose_clusters(look: Look, space: str) -> tuple[np.ndarray, str, str, int]:
    """(M,) labels by the method and number chosen, what to know of them as a sentence, the method and the number."""
    suggested = suggested_clusters(look, space)
    if suggested is None:
        none = np.full(len(look.trained), NO_CLUSTER)
        return none, "Too few trained materials with vectors of their own to group.", "", 0
    method = url_control(
        "Clusters by", list(METHODS), "clusters", show={},
        help="KMeans cuts into round groups of like size; Agglomerative merges near groups; HDBSCAN finds dense groups alone.",
    )  # fmt: skip
    if method == "HDBSCAN":
        members = url_number(
            "Smallest group", MEMBERS.low, MEMBERS.high, 10, "members", key=fresh_key("members", f"{look.key} {space}"),
            help="Materials that a dense group has at least.",
        )  # fmt: skip
        labels, _ = clusters(look, method, members, space)
        outside = int((labels[look.trained] == NO_CLUSTER).sum())
        told = f"HDBSCAN finds {labels.max() + 1} dense groups and leaves {outside:,} of {int(look.trained.sum()):,} trained materials outside of any."
        return labels, told, method, members
    count = url_number(
        "Number of clusters", CLUSTERS.low, CLUSTERS.high, suggested, "n", key=fresh_key("number of clusters", f"{look.key} {space} {method}"),
        help=f"{suggested} has the best silhouette of the numbers from 2 to 12.",
    )  # fmt: skip
    labels, score = clusters(look, method, count, space)
    told = f"{method} always cuts into the number you choose; the silhouette is {score:.2f} (1: groups lie far apart, 0: they touch)."
    return labels, told, method, count


def known_material(data: FormulaSet, code: str) -> str | None:
    """``code`` where the run knows it; else None, and a sentence on the page."""
    try:
        return data.materials[find_material(data, code)]
    except NotThere as error:
        st.warning(plain(str(error)), icon=":material/help:")
        return None


def detail(look: Look, cards: Sequence[Card], labels: np.ndarray, selected: Sequence[str]) -> None:
    """The panel beside the map: the last point chosen and its nearest, or what to do."""
    index_of = look.run.data.material_index
    chosen = [index_of[code] for code in selected if code in index_of]
    if selected and selected[-1] not in index_of:
        formula_detail(look, selected[-1].removeprefix(FORMULA))
    elif not chosen:
        st.write("Click a point, or search for a code or an INCI name, to see the material here.")
        return
    else:
        material_detail(look, cards, labels, chosen[-1])
    if chosen:
        st.button(
            f"Put {'it' if len(chosen) == 1 else f'the {len(chosen):,} selected'} into the basket", on_click=add_to_basket,
            args=([look.run.data.materials[i] for i in chosen],), icon=":material/add_shopping_cart:",
        )  # fmt: skip
    if len(chosen) > 1:
        st.caption(f"{len(chosen):,} materials are selected; this is the last of them.")
        table = look.facts.iloc[chosen][["material", "inci", "function", "support"]]
        st.dataframe(table.rename(columns={"inci": "INCI name", "support": "training formulas"}), hide_index=True, height=220)


def material_detail(look: Look, cards: Sequence[Card], labels: np.ndarray, index: int) -> None:
    """What is known of one material, and the nearest to it."""
    row = look.facts.iloc[index]
    st.subheader(plain(row["material"]), anchor=False)
    if row["inci"]:
        st.text(row["inci"])
    cluster = "none" if labels[index] == NO_CLUSTER else cluster_name(cards[labels[index]])
    st.text(
        f"function: {row['function'] or 'unknown'}\ncluster: {cluster}\n"
        f"training formulas: {row['support']:,}\namounts there: {amount_range(row['low'], row['high'])}"
    )
    if row["support"] == 0:
        st.warning("In no training formula: it still stands where it started, and its place means nothing.")
    elif caution(row["support"]):
        st.caption("A rare material: so few formulas hardly train its vector.")
    nearest(look, index)
    link("similar", "Similar materials", run=look.run.id, step=from_url("step"), evidence=from_url("evidence"), material=row["material"])


def nearest(look: Look, index: int) -> None:
    """The materials that act most like it; the page Similar says what speaks for each."""
    if not has_model(look.run):
        return
    ranks = ranks_of(look)
    found = ranks.neighbours(index, NEAREST_SHOWN, among=ranks.support > 0)
    votes, asked = agreement(ranks, index, found.indices)
    rows = look.facts.iloc[found.indices]
    st.caption("Acts most like it, by all evidence (distance: 0 = the same)")
    named = [f"{vote} of {asked} {ranks.noun}" for vote in votes]
    st.dataframe(
        pd.DataFrame({"material": rows["material"], "distance": found.distances, "named by": named, "INCI name": rows["inci"]}),
        hide_index=True,
        column_config={
            "distance": st.column_config.NumberColumn(format="%.3g"),
            "named by": st.column_config.TextColumn(help=f"In how many {ranks.noun} it is one of the 10 nearest learned vectors."),
        },
    )  # fmt: skip


def make_cards(look: Look, labels: np.ndarray, space: str, method: str, count: int) -> tuple[list[Card], str]:
    """A card a cluster, and the name of their effect on the property with its unit."""
    effect, unit, target = effects_of(look)
    stability = None
    asked = st.toggle(
        "How stable the clusters are over the run's models", value=len(labels) <= FEW and space == "learned", disabled=space != "learned",
        help="Groups each model's own vectors in the same way; 1 = the cluster comes back whole in every model.",
    )  # fmt: skip
    if asked and space == "learned" and method and len(others := member_clusters(look, method, count)):
        stability = cluster_stability(labels, others)
    cards = cluster_cards(look.run.data, points_of(look, space), labels, effect, stability)
    return cards, f"1 weight-% more changes {target} by ({unit})"


start_page(
    "Materials",
    "Each point is a raw material, drawn from the vector that the model learned for it or from how it is used; points "
    "close together are alike in that.",
)
with show_errors():
    run_column, step_column = st.columns([3, 1])
    with run_column:
        run = choose_run()
    with step_column:
        step = choose_step(run)
    look = choose_evidence(look_at(run, step))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        known = spaces(run) if has_model(run) else {"learned": ""}
        space = url_control("Space", list(known), "space", show=SPACES, key=f"space {list(known)}", help="; ".join(known.values()))
        kind = "axes"  # up to 2 entries are drawn as they are
        if points_of(look, space).shape[1] > 2:
            kinds = list(PICTURES) if space == "learned" else ["PCA", "UMAP"]
            kind = url_control(
                "Picture", kinds, "picture", show=PICTURES, key=f"picture {kinds}",
                help="PCA turns the vectors so that the directions of largest spread are seen; distances stay comparable. UMAP "
                "keeps neighbours together; distances between its groups mean little. Entries shows raw numbers.",
            )  # fmt: skip
        labels, about_clusters, method, count = choose_clusters(look, space)
        linear = space == "learned" and kind != "UMAP"
        formulas = linear and url_toggle(
            "Formulas too", "formulas",
            help="Each formula at the mean of its materials by amount; only linear pictures have a place for it.",
        )  # fmt: skip
    kept = choose_filters(look, labels)
    drawn = picture(look, kind, space)
    wanted = from_url("material")
    if wanted is not None:
        wanted = known_material(run.data, wanted)
    start = [code for code in codes_from_url("selected") if code in run.data.material_index]
    start = [*(code for code in start if code != wanted), wanted] if wanted else start  # the last of them is the one shown in detail
    st.caption(about_clusters)
    cards, effect_name = make_cards(look, labels, space, method, count)
    carried = carry(
        catalogue_payload(look, drawn, kind, space, labels, [cluster_name(card) for card in cards], kept, bool(formulas)), key="map"
    )


@st.fragment
@show_errors()
def explore() -> None:
    """The map, the panel, the clusters and the basket: a click reruns these alone."""
    picture_side, panel = beside("map")
    with picture_side:
        events = scatter(
            carried, key="map", height=560, selected=start, label=f"Map of materials, {SPACES[space].lower()}",
            caption=f"{run.id}, step {look.step:,}", axes=list(range(min(2, len(drawn.axes)))),
        )  # fmt: skip
    with panel:
        detail(look, cards, labels, events.selected)
    axes = list(events.axes) or list(range(min(2, len(drawn.axes))))
    st.caption(faithfulness_sentence(look, drawn.coordinates[:, axes], space))
    if drawn.explained is not None and drawn.explained[0] > ONE_DIRECTION:
        st.caption(f"{drawn.explained[0]:.0%} of the spread lies along one direction: one number says nearly all of a material here.")
    codes = [code for code in events.selected if code in run.data.material_index]
    to_url(material=codes[-1] if codes else None)
    if not codes_to_url("selected", codes if len(codes) > 1 else []):
        st.caption(f"{len(codes):,} selected materials are too many for the address of the page: a bookmark does not bring them back.")
    show_basket(look)
    st.subheader("Clusters", anchor=False)
    show_clusters(look, cards, labels, effect_name, events.selected)


explore()
with show_errors():
    untrained = int((~look.trained).sum())
    if untrained:
        st.caption(
            f"{untrained:,} hollow points are in no training formula: in the learned space they stand where the random start "
            "put them, and their place means nothing."
        )
