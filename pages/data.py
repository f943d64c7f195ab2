"""Data: choose or upload a data set, see every fault and every decision, and look at what it holds."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from matrep_core.errors import DataRefused, Fault, NotThere, SettingRefused
from matrep_core.formulas.decoding import ENCODINGS
from matrep_core.formulas.octane import SOURCE, octane_path, read_octane
from matrep_core.formulas.reading import Reading, ReadingOptions, read_data, wide_columns
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.storage import SavedData, dataset_decisions, delete_dataset, list_datasets, save_dataset
from matrep_core.formulas.tables import SUFFIXES
from matrep_core.formulas.workbook import SHEETS
from matrep_core.runs.store import artifacts_root
from matrep_core.views.export import spreadsheet_csv
from matrep_ui.datasets import counts, opened, see
from matrep_ui.page import fresh_key, from_url, link, plain, show_errors, start_page, to_url, url_selectbox

CHOICES = {
    "encoding": {"auto": "found from the file", **ENCODINGS},
    "delimiter": {"auto": "found from the file", "comma": "comma", "semicolon": "semicolon", "tab": "tab"},
    "decimal": {"auto": "found from the file", "point": "point (1.5)", "comma": "comma (1,5)"},
}
SUMS = {
    "refuse": "refuse them, and list them",
    "rescale": "rescale all formulas to 100",
    "complete": "complete those below 100 with a material",
}
EXAMPLE = {
    "formulas.csv": "formula_id,material,amount\nF001,RM-0012,62.5\nF001,RM-0340,37.5",
    "properties.csv": "formula_id,property,value,unit,temperature\nF001,viscosity,1250,mPa·s,25",
    "materials.csv (optional)": "material,inci,function\nRM-0012,Aqua,solvent",
}


def keep(data: FormulaSet, decisions: Sequence[str]) -> None:
    """Save the set, put it into the address and show it from the start."""
    to_url(data=save_dataset(data, decisions, artifacts_root()))
    st.session_state.pop("refused", None)
    st.session_state["uploads"] = st.session_state.get("uploads", 0) + 1  # an uploader with a new key is empty
    st.toast("The data set is ready.", icon=":material/check_circle:")
    st.rerun()


# --- upload -------------------------------------------------------------------------------------------------


def written(files: Sequence[UploadedFile], folder: Path) -> dict[Path, str]:
    """The uploads below ``folder`` under names of our own; an uploaded name is only ever shown."""
    names = {}
    for number, file in enumerate(files):
        suffix = Path(file.name).suffix.lower()
        path = folder / f"upload-{number}{suffix if suffix in SUFFIXES else '.unknown'}"
        path.write_bytes(file.getbuffer())
        names[path] = Path(file.name).name
    return names


def upload() -> None:
    st.caption("Formulas, properties and materials as files, a workbook with sheets of those names, or one wide table.")
    files = st.file_uploader(
        "Files",
        type=[suffix[1:] for suffix in SUFFIXES],
        accept_multiple_files=True,
        key=f"upload {st.session_state.get('uploads', 0)}",
        help="CSV, TSV, text, XLSX or Parquet. Choose all files of the data set at once.",
    )
    title = st.text_input(
        "Name of the data set", key="upload name", max_chars=80, placeholder="from the names of the files"
    )
    with st.expander("What the files look like", icon=":material/description:"):
        for column, (name, text) in zip(st.columns(len(EXAMPLE)), EXAMPLE.items(), strict=True):
            column.caption(name)
            column.code(text, language=None, wrap_lines=True)
        st.caption(
            "Amounts are weight-% and sum to 100 ± 0.5 in every formula. Codes are texts: 00123 stays 00123. Further "
            "columns of numbers in properties are conditions of the measurement. A wide table has a row a formula, "
            "a column a material, and the columns of its properties."
        )
    options = reading_options()
    key = (tuple(file.file_id for file in files), options.encoding, options.delimiter)
    if files:
        options = wide_options(files, options, key)
    if st.button("Read the files", type="primary", icon=":material/upload_file:", disabled=not files):
        st.session_state.pop("refused", None)
        with tempfile.TemporaryDirectory() as folder, st.spinner("Reading"):
            names = written(files, Path(folder))
            try:
                reading: Reading | None = read_data(list(names), options, names)
            except DataRefused as refused:
                st.session_state["refused"] = (key[0], refused.faults)
                reading = None
            except SettingRefused as refused:
                st.error(plain(str(refused)), icon=":material/error:")
                reading = None
        if reading is not None:
            found = "Uploaded formulas" if reading.data.name in SHEETS else reading.data.name
            keep(replace(reading.data, name=title.strip() or found), reading.decisions)
    ids, faults = st.session_state.get("refused", ((), ()))
    if faults and ids == key[0]:
        show_faults(faults)


def reading_options() -> ReadingOptions:
    """What the user decides where the files do not."""
    with st.expander("How to read them", icon=":material/tune:"):
        chosen = {}
        columns = st.columns(3)
        titles = {"encoding": "Encoding", "delimiter": "Between cells", "decimal": "Decimal mark"}
        for column, (name, words) in zip(columns, CHOICES.items(), strict=True):
            chosen[name] = column.selectbox(titles[name], list(words), format_func=words.get, key=f"read {name}")
        left, right = st.columns(2)
        sums = left.radio(
            "Formulas that do not sum to 100 ± 0.5 weight-%", list(SUMS), format_func=SUMS.get, key="read sums"
        )
        filler = ""
        if sums == "complete":
            filler = left.text_input(
                "Material that completes them", key="read filler", placeholder="its code, for example Water"
            )
        summed = right.checkbox(
            "Sum amounts of the same material in the same formula", key="read summed",
            help="Within a file and over several files. Otherwise they are refused; identical formulas are kept once.",
        )  # fmt: skip
    return ReadingOptions(**chosen, sum_duplicates=summed, rescale=sums == "rescale", complete_with=filler.strip())


def wide_options(files: Sequence[UploadedFile], options: ReadingOptions, key: tuple[object, ...]) -> ReadingOptions:
    """For a wide table: which of its columns are the formula ids, properties and conditions."""
    seen, columns = st.session_state.get("wide columns", (None, []))
    if seen != key:
        with tempfile.TemporaryDirectory() as folder, st.spinner("Looking at the files"):
            names = written(files, Path(folder))
            columns = wide_columns(list(names), options, names)
        st.session_state["wide columns"] = (key, columns)
    if not columns:
        return options
    st.info("This is a wide table: a row is a formula. Say which columns are not materials.", icon=":material/table:")
    left, middle, right = st.columns(3)
    ids = left.selectbox(
        "Formula ids", columns, index=None, key=fresh_key("ids", key), placeholder="found by its name, or the first"
    )
    properties = middle.multiselect("Properties", columns, key=fresh_key("properties", key), placeholder="measured values")
    conditions = right.multiselect("Conditions", columns, key=fresh_key("conditions", key), placeholder="none")
    return replace(
        options, formula_id_column=ids or "", property_columns=tuple(properties), condition_columns=tuple(conditions)
    )  # fmt: skip


def show_faults(faults: Sequence[Fault]) -> None:
    """Every place to mend, as a table that can be taken along."""
    count = len(faults)
    st.error(
        f"The data was refused: {count:,} {'place' if count == 1 else 'places'} to mend. Nothing was read or changed.",
        icon=":material/rule:",
    )
    table = pd.DataFrame([vars(fault) for fault in faults])
    table["row"] = table["row"].astype("Int64")
    st.dataframe(
        table, hide_index=True, placeholder="",
        column_config={
            "row": st.column_config.NumberColumn(help="As a spreadsheet counts; the header is row 1.", format="%d"),
            "mend": st.column_config.TextColumn(help="A double click on a cell shows all of it."),
        },
    )  # fmt: skip
    st.download_button(
        "Download this list",
        spreadsheet_csv(table.astype({"row": "string"})),
        "faults.csv",
        "text/csv",
        icon=":material/download:",
    )


# --- sets that are there already ----------------------------------------------------------------------------


def generated() -> None:
    st.write(
        "1,745 formulas of 5,485 cosmetic materials with viscosity, pH, hardness and density, generated from a seed. "
        "Names and functions are realistic, the numbers come from a hidden truth that a model can be scored against; "
        "no real product is in it."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, 0, 1, key="cosmetics seed", width=160, help="Another seed gives another set."
        )
        if st.button("Generate", icon=":material/science:", key="generate"):
            from matrep_core.formulas.cosmetics import generate_cosmetics

            with st.spinner("Generating"):
                data = generate_cosmetics(int(seed)).data
            keep(data, (f"Generated from seed {int(seed)}; no measurement is real.",))


def octane() -> None:
    st.write(SOURCE)
    if octane_path() is None:
        st.info("The package is not installed. Install it and load this page again:", icon=":material/download:")
        st.code("pip install -r requirements-octane.txt", language="bash")
    elif st.button("Load", icon=":material/local_gas_station:", key="octane"):
        keep(read_octane(), (SOURCE,))


def add(expanded: bool) -> None:
    with st.expander(
        "Add a data set",
        icon=":material/add_circle:",
        expanded=expanded,
        key=f"add {st.session_state.get('uploads', 0)}",
    ):
        own, made, real = st.tabs(["Upload your own", "Generated cosmetics", "Octane numbers"])
        with own, show_errors():
            upload()
        with made, show_errors():
            generated()
        with real, show_errors():
            octane()


# --- the chosen set -----------------------------------------------------------------------------------------


@st.dialog("Delete this data set?")
def confirm_delete(dataset: SavedData) -> None:
    st.text(
        f"{dataset.name}: {dataset.formulas:,} formulas are removed for good. Runs trained on it keep their own copy."
    )
    if st.button("Delete for good", type="primary", icon=":material/delete:"):
        with show_errors():
            delete_dataset(artifacts_root(), dataset.id)
            to_url(data=None)
            st.rerun()


def chosen_set(saved: dict[str, SavedData]) -> None:
    """The set that the address names: its counts, how it was read, and what it holds."""
    chosen = url_selectbox("Data set", list(saved), "data", show={i: label(each) for i, each in saved.items()}.get)
    if chosen is None:
        raise NotThere(
            f"There is no data set {(from_url('data') or '')[:80]!r}. Choose one from the list, or add it above."
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        link("train", "Train a model on it", data=chosen)
        if st.button("Delete", icon=":material/delete:", key="delete data"):
            confirm_delete(saved[chosen])
    data = opened(chosen)
    counts(data)
    decisions = dataset_decisions(artifacts_root(), chosen)
    with st.expander(
        f"How it was read: {len(decisions)} {'decision' if len(decisions) == 1 else 'decisions'}",
        icon=":material/fact_check:",
    ):
        st.text("\n".join(f"• {sentence}" for sentence in decisions))
    see(chosen, data)


def label(dataset: SavedData) -> str:
    size = f"{dataset.formulas:,} formulas · {dataset.materials:,} materials"
    return f"{dataset.name} · {size} · {dataset.saved:%Y-%m-%d %H:%M} UTC"


start_page(
    "Data",
    "Choose or upload formulas with their measured properties, and see what they hold before a model learns from them.",
)
saved = {each.id: each for each in list_datasets(artifacts_root())}
if saved and from_url("data") is None:
    to_url(data=next(iter(saved)))
if not saved:
    st.write(
        "There is no data set yet. Upload your own formulas, or begin with one of the two sets that are there already."
    )
add(expanded=not saved)
if saved or from_url("data"):
    with show_errors():
        chosen_set(saved)
