"""The neighbours of one material in the original space, and the formulas that it shares with them."""

from __future__ import annotations

import re

import pandas as pd
import streamlit as st

from matrep_core.errors import NotThere
from matrep_core.limits import MAX_NEIGHBOURS
from matrep_core.views.export import spreadsheet_csv
from matrep_core.views.facts import RARE
from matrep_core.views.neighbours import METRICS, compared_formulas, neighbour_table, neighbours, relative_length
from matrep_ui.charts import with_unit
from matrep_ui.looking import Look, amount_range, caution, look_at, material_label
from matrep_ui.page import choose_run, choose_step, from_url, link, plain, show_errors, start_page, to_url, url_selectbox

CAUTION = (
    "Distance in one run is weak evidence. Two trainings that differ only in their seed agreed on 22 to 38 % of the "
    "five nearest, on the data sets that MatRep was measured with. Take a neighbour as a question for the laboratory."
)

NAMES = {
    "inci": "INCI name", "same_function": "same function", "support": "support (training formulas)",
    "low": "least amount (weight-%)", "high": "largest amount (weight-%)", "shared_formulas": "shared formulas",
}  # fmt: skip
SHORT = 0.25  # of the median length


def choose_material(look: Look) -> int | None:
    """The index of the material that the address names; shown as a selectbox of codes and INCI names."""
    index = look.run.data.material_index
    chosen = url_selectbox(
        "Material", look.run.data.materials, "material", show=lambda code: material_label(look.facts, index[code])
    )
    wanted = from_url("material")
    if chosen is None and wanted is not None:
        raise NotThere(f"There is no material {wanted[:80]!r} in this run. Choose one from the list.")
    return None if chosen is None else index[chosen]


def about(look: Look, query: int) -> None:
    """What is known of the material asked for, and how far its own vector can be trusted."""
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
            "No training formula contains this material. Its vector is still the random start, so its neighbours "
            "mean nothing.",
            icon=":material/block:",
        )
    elif row["support"] <= RARE:
        st.warning(
            f"Only {row['support']} training formula{'s contain' if row['support'] > 1 else ' contains'} this material: "
            "its vector is hardly trained, and its neighbours say little.",
            icon=":material/warning:",
        )


def exported(look: Look, table: pd.DataFrame) -> pd.DataFrame:
    """The table as it leaves: columns named in words, every figure with its unit, no column without content."""
    order = ["material", "inci", "function", "same_function", "distance", "support", "caution", "low", "high"]
    table = table.assign(caution=[caution(int(support)) for support in table["support"]])
    if not (look.facts["function"] != "").any():
        order = [name for name in order if "function" not in name]
    if not (look.facts["inci"] != "").any():
        order.remove("inci")
    return table[[*order, "shared_formulas"]].rename(columns=NAMES)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The exported table with the amounts in one narrow column, and cautions only where there are any."""
    low, high = table.pop(NAMES["low"]), table.pop(NAMES["high"])
    if not table["caution"].any():
        table = table.drop(columns="caution")
    table.insert(len(table.columns) - 1, "amounts (weight-%)", [amount_range(a, b, unit="") for a, b in zip(low, high)])
    return table


def file_name(look: Look, query: int) -> str:
    """A file name that any system takes, whatever the material is called."""
    code = re.sub(r"[^A-Za-z0-9-]+", "_", look.run.data.materials[query]).strip("_")[:40] or "material"
    return f"similar-{code}-{look.run.id}.csv"


def short_vector(look: Look, query: int, metric: str) -> str:
    """A sentence where the cosine metric stands on a direction that is hardly known; else ""."""
    length = relative_length(look.vectors, query, look.trained)
    if metric != "cosine" or not length < SHORT:
        return ""
    return (
        f"This material's vector is short ({length:.0%} of the median length), so its direction, which is all that the "
        "cosine distance compares, is uncertain. Look at the Euclidean distance too."
    )


def compare(look: Look, query: int, other: int) -> None:
    """The formulas with both materials, or with either, the amounts side by side and what was measured."""
    data, target = look.run.data, look.run.settings.property
    table = compared_formulas(data, query, other)
    both = (table["amount_a"] > 0) & (table["amount_b"] > 0)
    names = [data.materials[query], data.materials[other]]
    st.subheader("Formulas side by side", anchor=False)
    st.text(f"{names[0]}  and  {names[1]}")
    choice = st.segmented_control(
        "Formulas with", ["both", "either"], default="both", required=True, key=f"which {query} {other}",
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
            "amount_a": st.column_config.NumberColumn(f"{names[0]} (weight-%)", format="%.4g"),
            "amount_b": st.column_config.NumberColumn(f"{names[1]} (weight-%)", format="%.4g"),
            "value": st.column_config.NumberColumn(with_unit(target, look.run.unit), format="%.4g"),
        },
    )  # fmt: skip


start_page(
    "Similar",
    "The materials whose learned vectors lie nearest to one that you choose, measured in the original space and not "
    "in a picture.",
)
with show_errors():
    run_column, step_column = st.columns([3, 1])
    with run_column:
        run = choose_run()
    with step_column:
        look = look_at(run, choose_step(run))
    material_column, metric_column, count_column = st.columns([2.6, 1, 0.8])
    with material_column:
        query = choose_material(look)
    metric = metric_column.segmented_control(
        "Distance", list(METRICS), required=True, default="euclidean" if run.settings.n_entries == 1 else "cosine",
        key=f"metric {run.settings.n_entries == 1}", help="; ".join(f"{name}: {text}" for name, text in METRICS.items()),
    )  # fmt: skip
    count = int(count_column.number_input("Neighbours", 1, MAX_NEIGHBOURS, 20))
    if query is None:
        st.info("Type or pick a material above; its neighbours appear here.", icon=":material/search:")
        link("materials", "Or choose one on the map", run=run.id, step=from_url("step"))
        st.stop()

    about(look, query)
    least_column, toggle_column = st.columns([1, 2.6], vertical_alignment="bottom")
    all_too = toggle_column.toggle(
        "Also name materials that never trained", help="Their vectors are still the random start."
    )
    least = int(least_column.number_input(
        "In at least so many formulas", 1, max(1, int(run.support.max())), 1, disabled=all_too,
        help="Leaves out materials that fewer training formulas contain; rare ones are near each other by accident.",
    ))  # fmt: skip
    found = neighbours(look.vectors, query, count, str(metric), among=None if all_too else run.support >= least)
    table = exported(look, neighbour_table(run.data, found, look.facts))
    st.info(CAUTION, icon=":material/info:")
    all_of = "of all materials" if all_too else "of the trained materials"
    if least > 1 and not all_too:
        all_of = f"of the materials in at least {least:,} training formulas"
    told = [f"The {len(table):,} nearest {all_of} by {metric} distance."]
    st.caption(" ".join([*told, found.reason, short_vector(look, query, str(metric))]))
    chosen = st.dataframe(
        shown(table.copy()), hide_index=True, on_select="rerun", selection_mode="single-row",
        key=f"near {look.key} {query} {metric} {count} {all_too} {least}", height=min(560, 38 + 35 * len(table)),
        column_config={
            "distance": st.column_config.NumberColumn(f"{metric} distance", format="%.3g"),
            NAMES["support"]: st.column_config.NumberColumn("support", help="Training formulas that contain it."),
            "amounts (weight-%)": st.column_config.TextColumn(help="In training formulas."),
            NAMES["shared_formulas"]: st.column_config.NumberColumn(help="Formulas that contain both materials."),
        },
    ).selection.rows  # fmt: skip
    st.download_button(
        "Export as CSV", spreadsheet_csv(table), file_name(look, query), "text/csv", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip
    if not chosen or chosen[0] >= len(found.indices):
        st.caption("Choose a row to see the formulas that contain both materials.")
    else:
        other = int(found.indices[chosen[0]])
        compare(look, query, other)
        code = run.data.materials[other]
        st.button(
            "Neighbours of the chosen one", on_click=to_url, kwargs={"material": code}, icon=":material/join_inner:"
        )  # a link to the page that it is on would leave the address as it is
        link("materials", "The chosen one on the map", run=run.id, step=from_url("step"), material=code)
