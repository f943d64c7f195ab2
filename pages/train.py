"""Train a model: settings, the queue and its progress, and the list of runs."""

from __future__ import annotations

import tempfile
from dataclasses import fields
from pathlib import Path

import streamlit as st

from matrep_core import jobs
from matrep_core.formulas.storage import list_datasets
from matrep_core.publishing import Published, open_published, published_runs, push, store_of_app
from matrep_core.runs.archive import import_run, write_archive
from matrep_core.runs.store import Run, RunSummary, Status, artifacts_root, delete_run, list_runs, open_run
from matrep_core.settings import RECIPES, TrainingSettings, from_recipe
from matrep_core.wording import measured
from matrep_ui.charts import FOUR_DIGITS, loss_curve
from matrep_ui.datasets import opened
from matrep_ui.page import empty_state, from_url, link, plain, show_errors, start_page, to_url, url_selectbox

POLL_SECONDS = 1.0
RECIPE_WORDS = {
    "default": "default: keeps the best step",
    "report": "report: 195,000 steps, all",
}
RECIPE_HELP = (
    "Where the settings below start from. The default recipe learns on a scaled target, trains several models to find the "
    "best step and an interval for each prediction, and takes seconds. The report recipe is the research's own: raw target, absolute error, to the very end, minutes."
)
GROUPS = {
    "Material vectors": ("n_entries", "code_activation", "start", "vector_decay"),
    "Regressor": ("hidden_width", "layers", "hidden_activation", "weight_decay"),
    "Error": ("scale", "loss"),
    "Steps": ("steps", "batch_size", "learning_rate", "schedule", "patience", "frames"),
    "Prediction": ("members", "blend"),
    "Split": ("split", "train_share", "validation_share", "seed"),
}
NAMES = {
    "n_entries": "N_entries", "code_activation": "Code activation", "start": "Size of the random start",
    "vector_decay": "Weight decay of the vectors", "hidden_width": "Width of the hidden layers", "layers": "Layers",
    "hidden_activation": "Hidden activation", "weight_decay": "Weight decay of the regressor", "scale": "Scale of the target",
    "loss": "Loss", "steps": "Steps", "batch_size": "Batch size (measurements)", "learning_rate": "Learning rate",
    "schedule": "Schedule", "patience": "Patience (share of the steps)", "frames": "Frames", "split": "Split",
    "members": "Fold models", "blend": "Trees and kernel beside the vectors", "train_share": "Training share", "validation_share": "Validation share", "seed": "Seed",
}  # fmt: skip
STATE_ICONS = {
    "queued": ":material/schedule:", "training": ":material/progress_activity:", "stopped": ":material/pause_circle:",
    "done": ":material/check_circle:", "failed": ":material/error:", "lost": ":material/power_off:",
}  # fmt: skip


def setting_widget(name: str, default: object, recipe: str) -> object:
    """One setting as the widget that fits its bound, with its sentence as help."""
    meta = next(each for each in fields(TrainingSettings) if each.name == name).metadata
    key = f"{recipe} {name}"
    if "choices" in meta:
        choices = list(meta["choices"])
        return st.selectbox(NAMES[name], choices, choices.index(default), key=key, help=meta["sentence"])
    bound = meta["bound"]
    if name == "steps" and default == 0:
        sentence = f"Leave it empty for 50 passes over the training formulas, or choose from 1 to {bound.high:,.0f}."
        return st.number_input(NAMES[name], 1, int(bound.high), None, 100, key=key, help=sentence, placeholder="automatic") or 0
    kind = int if bound.whole else float
    sentence = f"{meta['sentence']} From {bound.low:g} to {bound.high:g}."
    step = 1 if bound.whole else None
    return st.number_input(
        NAMES[name], kind(bound.low), kind(bound.high), kind(default), step, key=key, help=sentence,
        format="%d" if bound.whole else "%g",
    )  # fmt: skip


def new_training() -> None:
    """Choose data, property and settings, and queue a training."""
    root = artifacts_root()
    saved = {each.id: each for each in list_datasets(root)}
    if not saved:
        empty_state("There is no data set yet. Choose or upload one first; you then train on it here.", "data", "Choose data")
        return
    if from_url("data") is None:
        to_url(data=next(iter(saved)))
    left, middle, right = st.columns(3)
    with left:
        chosen = url_selectbox("Data set", list(saved), "data", show={i: f"{each.name} · {each.saved:%Y-%m-%d %H:%M}" for i, each in saved.items()}.get)
    if chosen is None:
        st.error("There is no such data set. Choose one from the list.", icon=":material/error:")
        return
    data = opened(chosen)
    units = {p.name: p.unit for p in data.properties}
    with middle:
        target = st.selectbox(
            "Property", list(units), key=f"property {chosen}", help="The measured property that the model learns to predict.",
            format_func={name: f"{name} ({unit})" if unit else name for name, unit in units.items()}.get,
        )  # fmt: skip
    with right:
        recipe = st.selectbox("Recipe", list(RECIPES), format_func=RECIPE_WORDS.get, help=RECIPE_HELP)
    possible = [*data.condition_columns, *(name for name in units if name != target)]
    with st.form("settings", border=True):
        defaults = from_recipe(recipe, property=target)
        values: dict[str, object] = {}
        main = st.columns(4)
        for column, name in zip(main, ("n_entries", "steps", "split", "seed"), strict=True):
            with column:
                values[name] = setting_widget(name, getattr(defaults, name), recipe)
        conditions = st.multiselect(
            "Conditions", possible, key=f"conditions {chosen} {target}", placeholder="none",
            help="Numbers that the property was measured at, such as temperature; they become inputs of the model.",
        )  # fmt: skip
        also = st.multiselect(
            "Properties learned together", [name for name in units if name != target], key=f"also {chosen} {target}",
            placeholder="none",
            help="Further properties that the same material vectors learn to predict. They can help where the first has few "
            "values, and can harm where they ask for something else; compare the errors.",
        )  # fmt: skip
        with st.expander("All settings", icon=":material/tune:"):
            for title, names in GROUPS.items():
                st.caption(title)
                columns = st.columns(4)
                for number, name in enumerate(n for n in names if n not in values):
                    with columns[number % 4]:
                        values[name] = setting_widget(name, getattr(defaults, name), recipe)
        if st.form_submit_button("Train", type="primary", icon=":material/play_arrow:"):
            settings = from_recipe(recipe, property=target, conditions=tuple(conditions), also=tuple(also), **values)
            to_url(run=jobs.start(root, data, settings))
            st.rerun()


def progress(run_id: str) -> None:
    """The run in the address: numbers, the loss curve, and what can be done with it."""
    with show_errors():
        run = open_run(artifacts_root(), run_id)
        status = run.status()
        with st.container(border=True):
            head, actions = st.columns([3, 2], vertical_alignment="center")
            head.text(f"{run.id}")
            head.badge(status.state, icon=STATE_ICONS[status.state], color="green" if status.state == "done" else "gray")
            with actions.container(horizontal=True, horizontal_alignment="right"):
                show_actions(run, status.state)
            if status.message:
                st.info(plain(status.message), icon=":material/info:")
            busy = status.state in ("queued", "training")
            if status.state == "queued":
                st.text("Waiting for its turn; one training runs at a time.")
            if status.state == "training":
                st.progress(min(1.0, status.share), f"{status.share:.0%} of the work · step {status.step:,} of {status.steps:,}")
            show_numbers(run, status)
            metrics = run.metrics()
            if len(metrics) > 2:
                st.altair_chart(loss_curve(metrics, run.unit, status.best_step), key=f"curve {run.id}")
        was_busy = st.session_state.get("busy run") == run_id
        st.session_state["busy run"] = run_id if busy else None
        if was_busy and not busy:
            st.rerun()  # the whole page: the list of runs changes too, and the polling ends


def show_actions(run: Run, state: str) -> None:
    root = artifacts_root()
    if state in ("queued", "training"):
        if st.button("Stop", icon=":material/stop:", key="stop"):
            jobs.stop(root, run.id)
            st.toast("It stops at its next checkpoint.")
        return
    if state != "done" and st.button("Resume", icon=":material/play_arrow:", key="resume"):
        jobs.resume(root, run.id)
        st.rerun()
    if (run.path / "model").is_dir():
        link("materials", "See the materials", run=run.id)
        link("similar", "Find similar ones", run=run.id)
        if st.button("Prepare download", icon=":material/folder_zip:", key="pack"):
            with tempfile.TemporaryDirectory() as folder:
                write_archive(run, Path(folder) / "run.zip")
                st.session_state["packed"] = (run.id, (Path(folder) / "run.zip").read_bytes())
        packed = st.session_state.get("packed")
        if packed and packed[0] == run.id:
            st.download_button("Download", packed[1], f"{run.id}.zip", "application/zip", icon=":material/download:")
        if (store := store_of_app()) and st.button("Publish", icon=":material/cloud_upload:", key="publish", help="Put it into the team's store."):
            push(run.path, store)
            listed_there.clear()
            st.toast("It is in the store now.")
    if st.button("Delete", icon=":material/delete:", key="delete"):
        confirm_delete(run.id)


@st.dialog("Delete this run?")
def confirm_delete(run_id: str) -> None:
    st.text(f"{run_id} and all its frames are removed for good.")
    if st.button("Delete for good", type="primary", icon=":material/delete:"):
        with show_errors():
            delete_run(artifacts_root(), run_id)
            to_url(run=None, step=None, material=None)
            st.rerun()


def show_numbers(run: Run, status: Status) -> None:
    """The kept predictor's errors, or what is known while it trains."""
    if not (run.path / "model").is_dir():
        st.caption(f"{status.seconds:.1f} s of training so far.")
        return
    scores, mean = run.scores(), run.mean_predictor()
    columns = st.columns(4)
    columns[0].metric("Kept step", f"{run.kept_step:,}", help=f"Of {status.step:,} steps, trained in {status.seconds:.1f} s.")
    for column, part, words in ((columns[1], "eval", "Evaluation error"), (columns[2], "train", "Training error")):
        each = scores[part]
        column.metric(words, measured(each["mae"], run.unit), help=f"Mean absolute error over {each['measurements']:,} measurements.")
    columns[3].metric("Error of the mean", measured(mean["mae"], run.unit), help="Evaluation error of always predicting the training mean.")
    rest = [f"evaluation R² {scores['eval']['r2']:.2f}" if scores["eval"]["r2"] is not None else ""]
    if scores["eval"].get("log10_rmse") is not None:
        rest.append(f"evaluation RMSE {scores['eval']['log10_rmse']:.3f} on the log10 scale")
    st.caption(
        "The evaluated formulas took no part in training"
        f" (split: {run.settings.split}); " + ", ".join(r for r in rest if r) + f". Full error {measured(scores['full']['mae'], run.unit)}."
    )
    sentence = parts_sentence(run)
    if sentence:
        st.caption(sentence)


def parts_sentence(run: Run) -> str:
    """What predicts beside the material vectors, and what the vectors achieve alone; "" where nothing does."""
    shares = run.blend()
    if len(shares) < 2:
        return ""
    alone = measured(run.scores("vectors")["eval"]["mae"], run.unit)
    named = ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda each: -each[1]) if share >= 0.005)
    return f"Prediction: {named}; weighed by their errors on formulas that they did not see. The vectors alone: {alone}."


def runs_list(runs: list[RunSummary], broken: list[str]) -> None:
    for sentence in broken:
        st.warning(plain(sentence), icon=":material/broken_image:")
    if not runs:
        st.write("No run yet. Press Train above, or load an exported run below.")
        return
    rows = [
        {
            "run": r.id, "state": r.status.state, "data set": r.data_name, "property": r.settings.property,
            "evaluation MAE": r.eval_mae, "unit": r.unit, "N_entries": r.settings.n_entries, "recipe": r.settings.recipe, "split": r.settings.split, "seed": r.settings.seed,
            "steps": r.status.step, "kept step": r.status.best_step, "made (UTC)": r.created[:16].replace("T", " "),
        }
        for r in runs
    ]  # fmt: skip
    chosen = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="single-row", key="runs", placeholder="–",
        column_config={
            "evaluation MAE": st.column_config.NumberColumn(format=FOUR_DIGITS, help="In the unit of the row."),
            "steps": st.column_config.NumberColumn(format="localized"), "kept step": st.column_config.NumberColumn(format="localized"),
        },
    )  # fmt: skip
    picked = chosen.selection.rows
    if picked and picked[0] < len(runs) and st.session_state.get("picked") != runs[picked[0]].id:
        st.session_state["picked"] = runs[picked[0]].id
        to_url(run=runs[picked[0]].id, step=None, material=None)
        st.rerun()


def load_run() -> None:
    with st.expander("Load an exported run", icon=":material/upload:"):
        st.caption("The zip that the Download button or the export command made.")
        file = st.file_uploader("Exported run (.zip)", type=["zip"], key="exported run")
        if file is not None and st.button("Load", icon=":material/upload:"):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "upload.zip"
                path.write_bytes(file.getbuffer())
                to_url(run=import_run(path, artifacts_root()).id)
            st.rerun()


@st.cache_data(ttl=20, show_spinner="Asking the store …")
def listed_there(url: str) -> tuple[list[Published], list[str]]:
    return published_runs(url)


def runs_there(url: str, here: set[str]) -> None:
    """The runs of the team's store; opening one brings it here, checked as an uploaded one is."""
    st.subheader("Runs in the store", anchor=False)
    listed, broken = listed_there(url)
    for sentence in broken:
        st.warning(plain(sentence), icon=":material/broken_image:")
    if not listed:
        st.write("The store has no runs yet. Finished trainings go there by themselves; Publish sends one that was made before.")
        return
    rows = [{"run": each.name, "here": each.name in here, **each.facts} for each in listed]
    st.dataframe(rows, hide_index=True, key="runs there")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    name = left.selectbox("Run of the store", [each.name for each in listed], key="run there")
    if right.button("Open", icon=":material/cloud_download:", key="open there"):
        with st.spinner("Bringing it here …"):
            to_url(run=open_published(url, name, artifacts_root()).id, step=None, material=None)
        st.rerun()


start_page("Train", "Teach a model one vector per material from your formulas, and see how well it predicts formulas it has not seen.")
with show_errors():
    new_training()
runs, broken = list_runs(artifacts_root())
wanted = from_url("run") or (runs[0].id if runs else None)
if wanted:
    busy = any(each.id == wanted and each.status.state in ("queued", "training") for each in runs)
    st.fragment(progress, run_every=POLL_SECONDS if busy else None)(wanted)
st.subheader("Runs", anchor=False)
with show_errors():
    runs_list(runs, broken)
with show_errors():
    load_run()
if store_url := store_of_app():
    with show_errors():
        runs_there(store_url, {each.id for each in runs})
