"""The materials that act like one, with what speaks for each; two spaces, groups, ways, singular ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.errors import NotThere
from matrep_core.limits import MAX_NEIGHBOURS
from matrep_core.similarity.functions import acts_differently, function_distances
from matrep_core.similarity.groups import Web, group_neighbours, hubs, path_between, singular, web_of
from matrep_core.similarity.ranking import BY, Similarity
from matrep_core.views.facts import RARE
from matrep_core.views.neighbours import METRICS, Neighbours, compared_formulas, neighbours, relative_length
from matrep_core.wording import signed
from matrep_ui.charts import FOUR_DIGITS, with_unit
from matrep_ui.likeness import BY_MEANING, BY_NAMES, evidence_of, exported, file_name, in_words, short_list
from matrep_ui.looking import Look, amount_range, as_evidence, finder, look_at, material_labels, ranks_of
from matrep_ui.page import choose_run, choose_step, fresh_key, from_url, link, plain, show_errors, start_page, to_url, url_control, url_selectbox
from matrep_ui.speaking import choose_evidence
from matrep_ui.taking import downloads

CAUTION = (
    "A ranking is evidence, not proof. The columns say what speaks for a neighbour and what does not: read them before "
    "you order a sample."
)
SHORT = 0.25  # of the median length
VIEWS = {
    "list": "Neighbours", "spaces": "Two spaces", "group": "Group or pasted list", "way": "Way to another",
    "ends": "Near nothing, near everything",
}  # fmt: skip
TYPICAL = 3  # training formulas, from which on a material takes part in ways and in what is near nothing


def found_material(look: Look) -> None:
    """A search over names, with a button for each material that it finds; choosing one writes the address."""
    text = st.text_input(
        "Find by code, INCI name, synonym, CAS number or function", key="find", placeholder="Typing errors are forgiven"
    )
    if not text:
        return
    hits = finder(look.run).search(text, 8)
    if not hits:
        st.caption("Nothing is written like that. Try a part of the name, or look in the list beside.")
    labels = material_labels(look.run)
    with st.container(horizontal=True):
        for number, hit in enumerate(hits):
            code = look.run.data.materials[hit.index]
            label = labels[code]
            label += f" ({hit.field}: {hit.text})" if hit.field not in ("code", "inci") else ""
            st.button(plain(label[:80]), key=f"hit {number}", on_click=to_url, kwargs={"material": code})


def choose_material(look: Look) -> int | None:
    """The index of the material that the address names; shown as a selectbox of codes and INCI names."""
    index = look.run.data.material_index
    chosen = url_selectbox("Material", look.run.data.materials, "material", show=material_labels(look.run).__getitem__)
    wanted = from_url("material")
    if chosen is None and wanted is not None:
        raise NotThere(f"There is no material {wanted[:80]!r} in this run. Choose one from the list.")
    return None if chosen is None else index[chosen]


def about(look: Look, query: int) -> None:
    """What is known of the material asked for, and how far what is learned of it can be trusted."""
    row = look.facts.iloc[query]
    formulas = look.run.data.support[query]
    facts = [
        ("function", row["function"] or "unknown"),
        ("training formulas", f"{row['support']:,} of the {formulas:,} that contain it"),
        ("amounts there", amount_range(row["low"], row["high"])),
    ]
    st.subheader(plain(row["material"]), anchor=False)
    st.text(" · ".join([row["inci"]] * bool(row["inci"]) + [f"{name}: {value}" for name, value in facts]))
    if row["support"] == 0:
        st.warning(
            "No training formula contains this material. Its vector is still the random start, so learned vectors and "
            "predicted changes mean nothing; only its use in formulas speaks.",
            icon=":material/block:",
        )
    elif row["support"] <= RARE:
        st.warning(
            f"Only {row['support']} training formula{'s contain' if row['support'] > 1 else ' contains'} this material: "
            "what is learned of it, and its usual amount, are hardly known.",
            icon=":material/warning:",
        )


def short_vector(look: Look, query: int, metric: str) -> str:
    """A sentence where the cosine metric stands on a direction that is hardly known; else ""."""
    length = relative_length(look.vectors, query, look.trained)
    if metric != "cosine" or not length < SHORT:
        return ""
    return (
        f"This material's vector is short ({length:.0%} of the median length), so its direction, which is all that the "
        "cosine distance compares, is uncertain. Look at the Euclidean distance too."
    )


def choose_ranking() -> tuple[str, str]:
    """The ranking and, for the learned vectors, the metric; the ranking lives in the address."""
    by_column, metric_column = st.columns([2, 1])
    with by_column:
        by = url_control("Similar by", list(BY), "by", show=BY_NAMES, default="fused")
    metric = "cosine"
    if by == "code":
        metric = str(metric_column.segmented_control(
            "Distance", list(METRICS), required=True, default="euclidean" if run.settings.n_entries == 1 else "cosine",
            key=f"metric {run.settings.n_entries == 1}", help="; ".join(f"{name}: {text}" for name, text in METRICS.items()),
        ))  # fmt: skip
    st.caption(BY_MEANING[by])
    return by, metric


def show_neighbours(look: Look, ranks: Similarity, query: int) -> None:
    """The list of neighbours with their evidence, and the formulas side by side of the row that is chosen."""
    by, metric = choose_ranking()
    count_column, least_column, toggle_column, function_column = st.columns([0.8, 1, 1.4, 1.2], vertical_alignment="bottom")
    count = int(count_column.number_input("Neighbours", 1, MAX_NEIGHBOURS, 20))
    all_too = toggle_column.toggle("Also name materials that never trained", help="Nothing is learned of them.")
    least = int(least_column.number_input(
        "In at least so many formulas", 1, max(1, int(ranks.support.max())), 1, disabled=all_too,
        help="Leaves out materials that fewer training formulas contain.",
    ))  # fmt: skip
    counted = by == "fused" and bool(ranks.functions[1]) and function_column.toggle(
        "Known functions count", value=True, help="Materials of the same function come nearer; unknown counts half."
    )
    among = None if all_too else ranks.support >= least
    if by == "code" and look.step != look.run.kept_step and not look.evidence:
        found = neighbours(look.vectors, query, count, metric, among)
    else:
        found = ranks.neighbours(query, count, by, metric, among, functions=counted)
    table = evidence_of(look, ranks, found)
    st.info(CAUTION, icon=":material/info:")
    all_of = "of all materials" if all_too else "of the trained materials"
    if least > 1 and not all_too:
        all_of = f"of the materials in at least {least:,} training formulas"
    how = f"by {metric} distance of the learned vectors" if by == "code" else f"by {BY_NAMES[by].lower()}"
    told = f"The {len(table):,} nearest {all_of} {how}. 0 = the same."
    st.caption(" ".join([told, found.reason, short_vector(look, query, metric) if by == "code" else ""]))
    of = f"{look.key} {query} {by} {metric} {count} {all_too} {least} {counted}"
    row = listed(in_words(table, look), fresh_key("near", of))
    downloads(exported(table, look), file_name("similar", look.run.data.materials[query], look.run), key="near")
    other = st.selectbox(
        "Side by side with", found.indices.tolist(), index=row if row is not None and row < len(found.indices) else None,
        format_func=look.run.data.materials.__getitem__, key=fresh_key("beside", f"{of} {row}"),
        placeholder="Choose a row above, or type a code here", help="Shows the formulas that contain both materials.",
    )  # fmt: skip
    if other is None:
        return
    compare(look, query, other)
    onwards(look, other)


def listed(table: pd.DataFrame, key: str) -> int | None:
    """A table whose rows can be chosen, and the row chosen."""
    prop, noun = ranks_of(look).target, ranks_of(look).noun
    chosen = st.dataframe(
        table, hide_index=True, on_select="rerun", selection_mode="single-row", key=key,
        height=min(560, 38 + 35 * len(table)),
        column_config={
            "material": st.column_config.TextColumn(pinned=True),
            "distance": st.column_config.NumberColumn(format="%.3g"),
            "training formulas": st.column_config.NumberColumn(help="Training formulas that contain it."),
            "amounts (weight-%)": st.column_config.TextColumn(help="In training formulas."),
            "named by": st.column_config.TextColumn(help=f"In how many {noun} it is one of the 10 nearest learned vectors."),
            "held since": st.column_config.TextColumn(help="The training step since which it has been one of the 10 nearest in the main model of the run above."),
            f"swap changes {prop} by": st.column_config.TextColumn(
                help=f"Predicted, where it takes this material's place at the same weight-%: mean over formulas, ± spread over {noun}."
            ),
            "at worst by": st.column_config.TextColumn(help="The largest predicted change in any of these formulas."),
            "together": st.column_config.TextColumn(help="Materials that replace each other seldom stand in one formula."),
            "swapped in formulas": st.column_config.TextColumn(help="Two formulas that are alike but for this swap."),
        },
    ).selection.rows  # fmt: skip
    return chosen[0] if chosen else None


def onwards(look: Look, other: int) -> None:
    """Where the chosen material leads."""
    code = look.run.data.materials[other]
    st.button("Neighbours of the chosen one", on_click=to_url, kwargs={"material": code}, icon=":material/join_inner:")
    link("materials", "The chosen one on the map", run=look.run.id, step=from_url("step"), evidence=from_url("evidence"), material=code)


def compare(look: Look, query: int, other: int) -> None:
    """The formulas with both materials, or with either, the amounts side by side and what was measured."""
    data, target, unit = look.run.data, ranks_of(look).target, ranks_of(look).unit
    table = compared_formulas(data, query, other)
    both = (table["amount_a"] > 0) & (table["amount_b"] > 0)
    names = [data.materials[query], data.materials[other]]
    st.subheader("Formulas side by side", anchor=False)
    st.text(f"{names[0]}  and  {names[1]}")
    choice = st.segmented_control(
        "Formulas with", ["both", "either"], default="both", required=True, key=fresh_key("which", f"{look.key} {query} {other}"),
        format_func={"both": f"both ({both.sum():,})", "either": f"either ({len(table):,})"}.get,
    )  # fmt: skip
    if choice == "both":
        table = table[both]
    if table.empty:
        st.write("No formula contains both. Materials that replace each other seldom stand in one formula: look at either.")
        return
    measured = data.measurements[data.measurements["property"] == target].groupby("formula")["value"].mean()
    row_of = {formula: row for row, formula in enumerate(data.formula_ids)}
    table["value"] = [measured.get(row_of[formula], float("nan")) for formula in table["formula_id"]]
    st.dataframe(
        table, hide_index=True, placeholder="not measured", height=min(420, 38 + 35 * len(table)),
        column_config={
            "formula_id": "formula",
            "amount_a": st.column_config.NumberColumn(f"{names[0]} (weight-%)", format=FOUR_DIGITS),
            "amount_b": st.column_config.NumberColumn(f"{names[1]} (weight-%)", format=FOUR_DIGITS),
            "value": st.column_config.NumberColumn(with_unit(target, unit), format=FOUR_DIGITS),
        },
    )  # fmt: skip


def show_spaces(look: Look, ranks: Similarity, query: int) -> None:
    """The nearest by what was learned beside the nearest by functions, and where the two disagree."""
    if not ranks.functions[1]:
        st.info("The materials table names no function. Upload a materials.csv with a column function to see this.", icon=":material/info:")
        return
    among = look.trained
    learned = ranks.neighbours(query, 12, among=among, functions=False)
    jaccard = function_distances(ranks.functions[0], query)
    fused = ranks.distances(query, functions=False)
    fused[query] = np.inf
    known = np.flatnonzero(among & np.isfinite(jaccard) & (np.arange(len(jaccard)) != query))
    by_function = known[np.lexsort((fused[known], jaccard[known]))][:12]
    left, right = st.columns(2)
    with left:
        st.subheader("What was learned", anchor=False)
        st.caption("All evidence but the functions: distance 0 = the same.")
        st.dataframe(short_list(look, learned.indices, "distance", learned.distances), hide_index=True,
                     column_config={"distance": st.column_config.NumberColumn(format="%.3g")})  # fmt: skip
    with right:
        st.subheader("What the functions say", anchor=False)
        st.caption(f"{len(ranks.functions[1]):,} functions as ones and zeros: 0 = the same functions, 1 = none in common.")
        if len(by_function):
            st.dataframe(short_list(look, by_function, "function distance", jaccard[by_function]), hide_index=True,
                         column_config={"function distance": st.column_config.NumberColumn(format="%.2f")})  # fmt: skip
        else:
            st.write("This material has no known function. Add it to the materials table.")
    st.subheader("Where they disagree", anchor=False)
    same = known[jaccard[known] == 0]
    same = same[np.argsort(-ranks.support[same], kind="stable")][:60]
    asked = Neighbours(query, "fused", same, fused[same])
    left, right = st.columns(2)
    with left:
        st.write("**Same function, acts differently**: the largest predicted change on a swap.")
        table = evidence_of(look, ranks, asked) if len(same) else None
        places = acts_differently(jaccard, table["change_mean"].to_numpy(), list(same), 8) if table is not None else []
        if table is None or not places:
            st.caption("No other trained material has exactly these functions.")
        else:
            rows = table.iloc[[int(np.flatnonzero(same == place)[0]) for place in places]]
            st.dataframe(disagreement(rows, look), hide_index=True)
    with right:
        st.write("**Other function, acts alike**: near by all evidence.")
        other = ranks.neighbours(query, 60, among=among & (jaccard == 1), functions=False)
        other = Neighbours(query, "fused", other.indices[:8], other.distances[:8])
        if len(other.indices):
            st.dataframe(disagreement(evidence_of(look, ranks, other), look), hide_index=True)
        else:
            st.caption("No trained material of another function is known.")


def disagreement(rows: pd.DataFrame, look: Look) -> pd.DataFrame:
    """Where the spaces disagree, in four columns."""
    unit = rows["change_unit"].iloc[0]
    return pd.DataFrame(
        {
            "material": rows["material"], "function": rows["function"], "distance": rows["distance"].round(3),
            f"swap changes {ranks_of(look).target} by": [signed(change, unit) for change in rows["change_mean"]],
            "training formulas": rows["support"],
        }
    )  # fmt: skip


def show_group(look: Look, ranks: Similarity, query: int) -> None:
    """The materials near to a whole group, which may be pasted from a sheet."""
    st.write("Name several materials, or paste a column of a sheet: the list shows what is near to all of them together.")
    text = st.text_area(
        "Codes, INCI names or CAS numbers, one a line", key="pasted", height=140,
        placeholder="one a line, or separated by tabs or semicolons",
    )  # fmt: skip
    group, unknown = finder(look.run).paste(text)
    if unknown:
        st.warning(plain(f"Not known, or not of one material alone: {', '.join(unknown[:20])}"), icon=":material/help:")
    if not group:
        st.caption("No material is named yet. The one that is chosen above counts too once you name another.")
        return
    if query not in group and st.toggle("Count the material above too", value=True):
        group = [query, *group]
    found = group_neighbours(ranks, group, 20, look.trained)
    st.caption(f"Near to {len(group):,} materials together: mean distance by all evidence, 0 = the same as all of them.")
    table = short_list(look, found.indices, "mean distance", found.distances)
    chosen = listed(table, fresh_key("near group", f"{look.key} {group}"))
    downloads(table, file_name("near-group", look.run.data.materials[group[0]], look.run), key="group")
    if chosen is not None:
        onwards(look, int(found.indices[chosen]))


@st.cache_resource(max_entries=4, show_spinner=False)
def _web(key: str, _points: np.ndarray, _among: np.ndarray, _told: Callable[[int, int], None]) -> Web:
    return web_of(_points, _among, _told)


def web(key: str, ranks: Similarity, among: np.ndarray) -> Web:
    """The nearest of every material in ``among``, with a bar while they are compared."""
    bar = st.empty()
    found = _web(key, ranks.fused_points, among, lambda done, of: bar.progress(done / of, f"{done:,} of {of:,} materials compared"))
    bar.empty()
    return found


def show_way(look: Look, ranks: Similarity, query: int) -> None:
    """The chain of near materials that leads from the chosen one to another."""
    index = look.run.data.material_index
    end = st.selectbox(
        "Way to", look.run.data.materials, index=None, key="way to", placeholder="Type to search",
        format_func=material_labels(look.run).__getitem__,
    )  # fmt: skip
    if end is None:
        st.caption("Choose a second material: the steps between the two appear here, each to a near material.")
        return
    among = (ranks.support >= TYPICAL) | np.isin(np.arange(len(index)), [query, index[end]])
    way, steps = path_between(web(f"{look.key} {query} {end}", ranks, among), query, index[end])
    table = short_list(look, np.array(way), "step (distance)", np.array([np.nan, *steps]))
    st.caption(f"{len(way) - 1:,} steps over materials of at least {TYPICAL} training formulas. A long step is a gap.")
    st.dataframe(table, hide_index=True, column_config={"step (distance)": st.column_config.NumberColumn(format="%.3g")})
    downloads(table, file_name("way", look.run.data.materials[query], look.run), key="way")


def show_ends(look: Look, ranks: Similarity) -> None:
    """Singular materials and hubs."""
    near = web(f"{look.key} {TYPICAL}", ranks, ranks.support >= TYPICAL)
    left, right = st.columns(2)
    with left:
        st.subheader("Near nothing", anchor=False)
        st.caption(f"Of materials in at least {TYPICAL} training formulas: even the fifth nearest is far. Nothing replaces them.")
        alone, far = singular(near, 15)
        st.dataframe(short_list(look, alone, "fifth nearest at", far), hide_index=True,
                     column_config={"fifth nearest at": st.column_config.NumberColumn(format="%.3g")})  # fmt: skip
    with right:
        st.subheader("Near everything", anchor=False)
        st.caption("Named among the 10 nearest by most others: average materials, whose nearness says little.")
        common, named = hubs(near, 15)
        st.dataframe(short_list(look, common, "named by", named), hide_index=True)


start_page(
    "Similar",
    "The materials that act most like one that you choose, each with what speaks for it and what does not.",
)
with show_errors():
    run_column, step_column = st.columns([3, 1])
    with run_column:
        run = choose_run()
    with step_column:
        look = look_at(run, choose_step(run))
    look = as_evidence(choose_evidence(look))
    material_column, find_column = st.columns(2)
    with material_column:
        query = choose_material(look)
    with find_column:
        found_material(look)
    if query is None:
        st.info("Type or pick a material above; what acts like it appears here.", icon=":material/search:")
        link("materials", "Or choose one on the map", run=run.id, step=from_url("step"), evidence=from_url("evidence"))
        st.stop()
    about(look, query)
    ranks = ranks_of(look)
    if look.evidence:
        st.caption(f"{len(ranks.voices):,} runs of the study speak for {ranks.target}; the run above is asked only since when a neighbour has held.")
    elif look.step != run.kept_step:
        st.caption(
            f"All but the learned vectors belongs to the kept step {run.kept_step:,}; these are of step {look.step:,}."
        )
    view = url_control("Show", list(VIEWS), "view", show=VIEWS, default="list")
    if view == "list":
        show_neighbours(look, ranks, query)
    elif view == "spaces":
        show_spaces(look, ranks, query)
    elif view == "group":
        show_group(look, ranks, query)
    elif view == "way":
        show_way(look, ranks, query)
    else:
        show_ends(look, ranks)
