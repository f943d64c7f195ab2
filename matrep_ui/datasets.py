"""What the Data page shows of a data set, and the charts of it."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.storage import open_dataset
from matrep_core.runs.store import artifacts_root
from matrep_core.views.facts import RARE
from matrep_core.views.summary import formula_table, material_table, property_table, use_by_rank
from matrep_ui.charts import FOUR_DIGITS, histogram

CHART_HEIGHT = 260
PROPERTY_COLUMNS = {
    "values": st.column_config.NumberColumn(format="localized"),
    "formulas": st.column_config.NumberColumn("formulas measured", format="localized"),
    "least": st.column_config.NumberColumn(format=FOUR_DIGITS, help="In the unit of the row."),
    "median": st.column_config.NumberColumn(format=FOUR_DIGITS, help="In the unit of the row."),
    "largest": st.column_config.NumberColumn(format=FOUR_DIGITS, help="In the unit of the row."),
}
MATERIAL_COLUMNS = {
    "formulas": st.column_config.NumberColumn(format="localized", help="In how many formulas it occurs."),
    "low": st.column_config.NumberColumn("least amount (weight-%)", format=FOUR_DIGITS),
    "high": st.column_config.NumberColumn("largest amount (weight-%)", format=FOUR_DIGITS),
}


@st.cache_resource(max_entries=4, show_spinner="Opening the data set")
def opened(dataset_id: str) -> FormulaSet:
    """The saved data set; its id names its content, so what is cached stays true."""
    return open_dataset(artifacts_root(), dataset_id)


@st.cache_data(max_entries=8, show_spinner=False)
def _tables(dataset_id: str, _data: FormulaSet) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return property_table(_data), use_by_rank(_data), material_table(_data), formula_table(_data)


def counts(data: FormulaSet) -> None:
    """How large the set is, in five numbers."""
    with st.container(horizontal=True):
        for label, number, meaning in (
            ("Formulas", len(data.formula_ids), "Rows of amounts that sum to 100 weight-%."),
            ("Materials", len(data.materials), "Raw materials that occur in at least one formula."),
            ("Amounts", data.amounts.nnz, "Amounts above 0: how often any material occurs in any formula."),
            ("Properties", len(data.properties), "Measured quantities; one of them is the target of a training."),
            ("Measurements", len(data.measurements), "Measured values of all properties together."),
        ):
            st.metric(label, f"{number:,}", help=meaning, border=True)


def see(dataset_id: str, data: FormulaSet) -> None:
    """Properties, use of materials and the tables themselves, a tab each."""
    properties, use, materials, formulas = _tables(dataset_id, data)
    measured, used, listed, single = st.tabs(["Properties", "Use of materials", "Materials", "Formulas"])
    with measured:
        _properties(dataset_id, data, properties)
    with used:
        _use(data, use)
    with listed:
        st.caption("Every material, the most used first. A click on a column's name sorts by it.")
        st.dataframe(materials, hide_index=True, column_config=MATERIAL_COLUMNS)
    with single:
        _formulas(dataset_id, data, formulas)


def _properties(dataset_id: str, data: FormulaSet, table: pd.DataFrame) -> None:
    st.caption("What was measured. The scale is the one that a model learns on.")
    st.dataframe(table, hide_index=True, column_config=PROPERTY_COLUMNS)
    name = st.selectbox("Distribution of", table["property"].tolist(), key=f"distribution {dataset_id}")
    shown = data.property_named(name)
    values = data.measurements.loc[data.measurements["property"] == name, "value"].to_numpy()
    log = shown.scale == "log"
    chart = histogram(values, shown.name, shown.unit, counted="measurements", log=log)
    st.altair_chart(chart.properties(height=CHART_HEIGHT), key=f"values {dataset_id} {name}")
    if log:
        st.caption("The axis is logarithmic: each step to the right multiplies the value.")


def _use(data: FormulaSet, use: pd.DataFrame) -> None:
    rare = int((data.support <= RARE).sum())
    st.caption(
        f"{rare:,} of {len(data.materials):,} materials occur in {RARE} formulas or fewer: "
        "nobody predicts well from so few."
        if rare else f"Every material occurs in at least {int(data.support.min()):,} formulas."
    )  # fmt: skip
    st.markdown("**In how many formulas each material occurs**, the most used first")
    st.altair_chart(_long_tail(use), key="use of materials")
    left, right = st.columns(2)
    with left:
        st.markdown("**How many materials a formula has**")
        sizes = np.diff(data.amounts.indptr)
        width = -(-int(np.ptp(sizes) + 1) // 50)  # whole numbers a bin, so that no bin holds more of them than another
        edges = np.arange(sizes.min(), sizes.max() + 1 + width, width) - 0.5
        chart = histogram(sizes, "materials in a formula", "", counted="formulas", bins=edges)
        st.altair_chart(chart.properties(height=CHART_HEIGHT), key="materials per formula")
    with right:
        st.markdown("**How large the amounts are**")
        chart = histogram(data.amounts.data, "amount", "weight-%, logarithmic", counted="amounts", log=True)
        st.altair_chart(chart.properties(height=CHART_HEIGHT), key="amounts")


def _long_tail(use: pd.DataFrame) -> alt.Chart:
    ends = use.melt("formulas", ["first", "rank"], value_name="place")
    ends = ends.sort_values(["place", "formulas"], ascending=[True, False])
    return (
        alt.Chart(ends)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18))
        .encode(
            alt.X("place:Q", title="place of the material, the most used first").scale(nice=False, zero=False),
            alt.Y("formulas:Q", title="formulas (log axis)").scale(type="log", domainMin=1),
            tooltip=[
                alt.Tooltip("place:Q", format=","),
                alt.Tooltip("formulas:Q", title="formulas that contain it", format=","),
            ],
        )
        .properties(height=CHART_HEIGHT)
    )


def _formulas(dataset_id: str, data: FormulaSet, table: pd.DataFrame) -> None:
    st.caption("Every formula with the median of what was measured of it. Tick a row to see what the formula holds.")
    numbers = {name: st.column_config.NumberColumn(format=FOUR_DIGITS) for name in table.columns[2:]}
    numbers["formula_id"] = st.column_config.TextColumn("formula")
    chosen = st.dataframe(
        table, hide_index=True, column_config=numbers, on_select="rerun", selection_mode="single-row",
        key=f"formulas {dataset_id}", placeholder="",
    )
    rows = chosen.selection.rows
    if not rows or rows[0] >= len(data.formula_ids):
        return
    st.text(f"Formula {data.formula_ids[rows[0]]}")
    parts = pd.DataFrame(data.formula(rows[0]), columns=["material", "amount"])
    described = data.material_info.iloc[[data.material_index[m] for m in parts["material"]]].reset_index(drop=True)
    for name in ("inci", "function"):
        if name in described.columns:
            parts[name] = described[name]
    amount = st.column_config.NumberColumn("amount (weight-%)", format=FOUR_DIGITS)
    st.dataframe(parts, hide_index=True, column_config={"amount": amount, "inci": "INCI name"})
