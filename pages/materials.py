"""The map of a run's materials: clusters, functions, support; a click leads to the material and its neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from matrep_core.errors import NotThere
from matrep_core.formulas.schema import FormulaSet
from matrep_core.views.clustering import CLUSTERS, MEMBERS, NO_CLUSTER, cluster_summary
from matrep_core.views.facts import find_material
from matrep_core.views.neighbours import neighbours
from matrep_ui.looking import (
    METHODS,
    Look,
    amount_range,
    caution,
    clusters,
    faithfulness_sentence,
    look_at,
    picture,
    suggested_clusters,
)
from matrep_ui.map import payload_of
from matrep_ui.page import choose_run, choose_step, from_url, link, plain, show_errors, start_page, to_url
from matrep_ui.scatter import carry, scatter

NEAREST_SHOWN = 5
ONE_DIRECTION = 0.9  # of the variance along the first direction


def choose_clusters(
    look: Look, method_column: DeltaGenerator, number_column: DeltaGenerator
) -> tuple[np.ndarray, str]:
    """(M,) labels by the method and number chosen, and what to know of them as a sentence."""
    suggested = suggested_clusters(look)
    if suggested is None:
        none = np.full(len(look.trained), NO_CLUSTER)
        return none, "Too few trained materials with vectors of their own to group."
    method = method_column.segmented_control("Clusters by", METHODS, default=METHODS[0], required=True)
    if method == "KMeans":
        number = number_column.number_input(
            "Number of clusters", int(CLUSTERS.low), int(CLUSTERS.high), suggested, key=f"clusters {look.key}",
            help=f"{suggested} has the best silhouette of the numbers from 2 to 12.",
        )  # fmt: skip
        labels, score = clusters(look, method, int(number))
        return labels, (
            f"KMeans always cuts into the number you choose; the silhouette is {score:.2f} "
            "(1: groups lie far apart, 0: they touch)."
        )
    number = number_column.number_input(
        "Smallest group", int(MEMBERS.low), int(MEMBERS.high), 10, help="Materials that a dense group has at least."
    )
    labels, _ = clusters(look, str(method), int(number))
    outside = int((labels[look.trained] == NO_CLUSTER).sum())
    return labels, (
        f"HDBSCAN finds {labels.max() + 1} dense groups and leaves {outside:,} of {int(look.trained.sum()):,} "
        "trained materials outside of any."
    )


def choose_picture() -> str:
    """How vectors of more than 2 entries are drawn."""
    names = {"PCA": "PCA", "UMAP": "UMAP", "axes": "Two entries"}
    help_text = (
        "PCA turns the vectors so that the two directions of largest spread are seen; distances stay comparable. "
        "UMAP keeps neighbours together; distances between its groups mean little. Two entries shows raw numbers."
    )
    return str(
        st.segmented_control("Picture", list(names), format_func=names.get, default="PCA", required=True, help=help_text)
    )


def known_material(data: FormulaSet, code: str) -> str | None:
    """``code`` where the run knows it; else None, and a sentence on the page."""
    try:
        return data.materials[find_material(data, code)]
    except NotThere as error:
        st.warning(plain(str(error)), icon=":material/help:")
        return None


def detail(look: Look, labels: np.ndarray, chosen: list[int]) -> None:
    """The panel beside the map: the last material chosen and its nearest, or what to do."""
    if not chosen:
        st.write("Click a point, or search for a code or an INCI name, to see the material here.")
        return
    index = chosen[-1]
    row = look.facts.iloc[index]
    st.subheader(plain(row["material"]), anchor=False)
    if row["inci"]:
        st.text(row["inci"])
    cluster = "none" if labels[index] == NO_CLUSTER else str(labels[index] + 1)
    st.text(
        f"function: {row['function'] or 'unknown'}\ncluster: {cluster}\n"
        f"training formulas: {row['support']:,}\namounts there: {amount_range(row['low'], row['high'])}"
    )
    if row["support"] == 0:
        st.warning("In no training formula: it still stands where it started, and its place means nothing.")
    else:
        if caution(row["support"]):
            st.caption("A rare material: so few formulas hardly train its vector.")
        nearest(look, index)
    address = {"run": look.run.id, "step": from_url("step"), "material": row["material"]}
    link("similar", "Similar materials", **address)
    if len(chosen) > 1:
        st.caption(f"{len(chosen):,} materials are selected; this is the last of them.")
        table = look.facts.iloc[chosen][["material", "inci", "function", "support"]]
        st.dataframe(table.rename(columns={"inci": "INCI name"}), hide_index=True, height=220)


def nearest(look: Look, index: int) -> None:
    """The nearest materials in the original space; the page Similar says more of each."""
    found = neighbours(look.vectors, index, NEAREST_SHOWN, "euclidean", among=look.trained)
    rows = look.facts.iloc[found.indices]
    st.caption("Nearest in the original space (Euclidean distance)")
    st.dataframe(
        pd.DataFrame({"material": rows["material"], "distance": found.distances, "INCI name": rows["inci"]}),
        hide_index=True, column_config={"distance": st.column_config.NumberColumn(format="%.3g")},
    )  # fmt: skip


start_page(
    "Materials",
    "Each point is a raw material, drawn from the vector that the model learned for it; points close together "
    "did similar work in predicting the property.",
)
with show_errors():
    run_column, step_column = st.columns([3, 1])
    with run_column:
        run = choose_run()
    with step_column:
        step = choose_step(run)
    look = look_at(run, step)
    method_column, number_column, picture_column = st.columns([1.1, 1, 1.9])
    labels, about_clusters = choose_clusters(look, method_column, number_column)
    kind = "axes"  # up to 2 entries are drawn as they are
    if run.settings.n_entries > 2:
        with picture_column:
            kind = choose_picture()
    drawn = picture(look, kind)
    wanted = from_url("material")
    if wanted is not None:
        wanted = known_material(run.data, wanted)
    carried = carry(payload_of(look, drawn, kind, labels), key="map")


@st.fragment
@show_errors()
def explore() -> None:
    """The map and the panel: a click reruns these alone."""
    map_column, panel = st.columns([2.6, 1])
    with map_column:
        events = scatter(
            carried, key="map", height=560, selected=[wanted] if wanted else [], label="Map of material vectors",
            caption=f"{run.id}, step {look.step:,}",
        )
        axes = list(events.axes) or list(range(min(2, len(drawn.axes))))
        st.caption(faithfulness_sentence(look, drawn.coordinates[:, axes]))
        if drawn.explained is not None and drawn.explained[0] > ONE_DIRECTION:
            st.caption(
                f"{drawn.explained[0]:.0%} of the spread lies along one direction: one number says nearly all that this "
                "model learned of a material."
            )
    chosen = [run.data.material_index[code] for code in events.selected if code in run.data.material_index]
    to_url(material=run.data.materials[chosen[-1]] if chosen else None)
    with panel, st.container(border=True):
        detail(look, labels, chosen)


explore()
with show_errors():
    untrained = int((~look.trained).sum())
    if untrained:
        st.caption(
            f"{untrained:,} hollow points are in no training formula: they stand where the random start put them, "
            "and their place means nothing."
        )
    st.subheader("Clusters", anchor=False)
    st.caption(about_clusters)
    summary = cluster_summary(labels, look.facts["function"].to_numpy())
    summary["cluster"] += 1
    st.dataframe(
        summary if (summary["function"] != "").any() else summary[["cluster", "size"]], hide_index=True,
        column_config={
            "size": "materials", "function": "function that stands out",
            "share_in_cluster": st.column_config.NumberColumn("its share in the cluster", format="percent"),
            "share_in_all": st.column_config.NumberColumn("its share among all clustered", format="percent"),
        },
    )  # fmt: skip
