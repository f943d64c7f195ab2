"""How good the predictions are: studies over splits, baselines beside the model, and where the errors come from."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from matrep_core import study as studies
from matrep_core.errors import NotThere
from matrep_core.evaluation import diagnosis
from matrep_core.evaluation.baselines import names
from matrep_core.evaluation.results import ALONE, PREDICTOR, Study, list_studies, open_study
from matrep_core.formulas.splits import NEAR_DUPLICATES
from matrep_core.formulas.storage import list_datasets
from matrep_core.runs.store import IN_STUDY, artifacts_root
from matrep_core.settings import RECIPES, TrainingSettings, from_recipe
from matrep_ui import evaluating
from matrep_ui import evaluation_charts as charts
from matrep_ui.charts import FOUR_DIGITS, with_unit
from matrep_ui.datasets import opened
from matrep_ui.evaluating import METRIC_WORDS
from matrep_ui.page import empty_state, fresh_key, from_url, link, plain, show_errors, start_page, to_url, url_selectbox

POLL_SECONDS = 2.0
STATE_ICONS = {
    "queued": ":material/schedule:", "running": ":material/progress_activity:", "stopped": ":material/pause_circle:",
    "done": ":material/check_circle:", "failed": ":material/error:", "lost": ":material/power_off:",
}  # fmt: skip
SPLIT_HELP = (
    "Which formulas evaluate. random: by chance. unseen: each holds a material that never trains. grouped: formulas of the same "
    "materials, or by what you choose, stay on one side. graded: a third each with no, one and several materials that never train. Unseen and grouped are harder, and nearer to what a new formula asks."
)
MOST_WORST = 30


def new_study() -> None:
    """Choose data, property and what is varied, and queue the study."""
    root = artifacts_root()
    saved = {each.id: each for each in list_datasets(root)}
    if not saved:
        empty_state("There is no data set yet. Choose or upload one first; you then evaluate models on it here.", "data", "Choose data")
        return
    left, middle, right = st.columns(3)
    with left:
        chosen = st.selectbox("Data set", list(saved), format_func={i: each.name for i, each in saved.items()}.get, key="study data")
    data = opened(chosen)
    units = {p.name: p.unit for p in data.properties}
    with middle:
        target = st.selectbox("Property", list(units), key=f"study property {chosen}", format_func={p: with_unit(p, unit) for p, unit in units.items()}.get)
    with right:
        recipe = st.selectbox(
            "Recipe", list(RECIPES), key="study recipe",
            help="default: the app's own predictor, seconds a run. report: the research's own training of 195,000 steps, minutes a run.",
        )  # fmt: skip
    with st.form("new study", border=False):
        first, second, third = st.columns(3)
        entries = first.multiselect("N_entries", sorted({*studies.ENTRIES, 3, 5, 15, 30}), [2, 10, 50], help="One model for each of them.")
        activations = second.multiselect("Code activation", ["tanh", "sigmoid", "identity"], ["tanh"])
        also = third.multiselect(
            "Together with", [p for p in units if p != target], placeholder="none",
            help="Further properties that the vectors learn at the same time; a second study without them shows whether that helps.",
        )  # fmt: skip
        first, second, third, fourth = st.columns(4)
        splits = first.number_input("Splits", 1, 50, 5, help="How often the formulas are divided anew; 5 or more tell a difference from noise.")
        choices = next(f for f in TrainingSettings.__dataclass_fields__.values() if f.name == "split").metadata["choices"]
        split = second.selectbox("Split", list(choices), help=SPLIT_HELP)
        together = {"": "the same materials", NEAR_DUPLICATES: "near-duplicates", **{c: c for c in [*data.condition_columns, *units]}}
        group_by = third.selectbox(
            "Grouped by", list(together), format_func=together.get,
            help="What the split grouped keeps on one side. Near-duplicates differ in at most 5 weight-%. Other splits do not ask.",
        )  # fmt: skip
        conditions = fourth.multiselect("Conditions", [*data.condition_columns, *(p for p in units if p != target)], placeholder="none")
        baselines = st.multiselect(
            "Baselines", list(names()), list(names()),
            help="Simpler methods, tuned on the same training formulas; the headline compares the model with the best of them.",
        )  # fmt: skip
        with st.expander("Other machines", icon=":material/lan:"):
            scheduler = scheduler_field("", "new scheduler")
        if st.form_submit_button("Start the study", type="primary", icon=":material/play_arrow:"):
            settings = from_recipe(recipe, property=target, conditions=tuple(conditions), split=split, group_by=group_by, also=tuple(also))
            plan = studies.plan_of(data, settings, entries, activations, int(splits), baselines)
            to_url(study=studies.start(root, data, plan, scheduler), n=None, activation=None)
            st.rerun()


def scheduler_field(now: str, key: str) -> str:
    """Where the work is done: the address of a Dask scheduler, or nothing."""
    return st.text_input(
        "Dask scheduler", now, placeholder="tcp://10.0.0.5:8786", key=key,
        help="Its workers then train and tune; they need the same MatRep. Left empty, this machine does. The results are the same.",
    )  # fmt: skip


def label(study: Study) -> str:
    plan = study.plan
    made = f"{study.id[:4]}-{study.id[4:6]}-{study.id[6:8]} {study.id[9:11]}:{study.id[11:13]} UTC" if study.id[:8].isdigit() else study.id
    together = [f"with {', '.join(plan.settings.also)}"] if plan.settings.also else []
    parts = [plan.settings.property, *together, plan.data_name, f"recipe {plan.settings.recipe}", f"split {plan.settings.split}", f"{plan.splits} splits", made]
    return " · ".join(parts)


def progress(study_id: str) -> None:
    """Where the study stands, and what can be done with it."""
    with show_errors():
        root = artifacts_root()
        study = open_study(root, study_id)
        state, message = study.state()
        with st.container(border=True):
            head, actions = st.columns([3, 2], vertical_alignment="center")
            at = study.progress()
            head.badge(state, icon=STATE_ICONS.get(state), color="green" if state == "done" else "gray")
            if message:
                st.info(plain(message), icon=":material/info:")
            if state == "queued":
                st.text("Waiting for its turn; one study is at work at a time.")
            left = f", {evaluating.time_in_words(at.seconds_left)}" if study.busy else ""
            st.progress(at.done / at.total if at.total else 1.0, f"{at.done:,} of {at.total:,} runs and baselines are done{left}")
            with actions.container(horizontal=True, horizontal_alignment="right"):
                if study.busy:
                    if st.button("Stop", icon=":material/stop:", key="stop study"):
                        studies.stop(root, study_id)
                        st.toast("It stops at its next checkpoint; what is done is kept.")
                else:
                    goes_on = at.done < at.total and st.button("Go on", icon=":material/play_arrow:", key="go on")
                    if st.button("Extend", icon=":material/add:", key="extend study"):
                        ask_for_more(study_id)
                    if st.button("Delete", icon=":material/delete:", key="delete study"):
                        confirm_delete(study_id)
            if not study.busy and at.done < at.total:
                with st.expander("Other machines", icon=":material/lan:"):
                    scheduler = scheduler_field(studies.scheduler_of(study), f"scheduler {study_id}")
                if goes_on:
                    studies.extend(root, study_id, scheduler=scheduler)
                    st.rerun()
            elif place := studies.scheduler_of(study):
                st.text(f"Computed by the workers of {place}.")
        seen = st.session_state.get("study seen")
        now = (study_id, study.busy, at.done)
        st.session_state["study seen"] = now
        if seen and seen[0] == study_id and seen != now:
            st.rerun()  # the whole page: there is more to show


@st.dialog("Extend this study")
def ask_for_more(study_id: str) -> None:
    with show_errors():
        root = artifacts_root()
        study = open_study(root, study_id)
        plan = study.plan
        splits = st.number_input("Splits", plan.splits, 50, plan.splits)
        entries = st.multiselect("Further N_entries", sorted({*studies.ENTRIES, 3, 5, 15, 30} - {*plan.entries}))
        further = [name for name in names() if name not in plan.baselines]
        baselines = st.multiselect("Further baselines", further, further)
        st.caption("What is done is not repeated.")
        if st.button("Extend and go on", type="primary", icon=":material/play_arrow:"):
            more = studies.plan_of(study.data, plan.settings, [*plan.entries, *entries], plan.activations, int(splits), baselines)
            studies.extend(root, study_id, more)
            st.rerun()


@st.dialog("Delete this study?")
def confirm_delete(study_id: str) -> None:
    st.text(f"{study_id}, its runs and their vectors are removed for good.")
    if st.button("Delete for good", type="primary", icon=":material/delete:"):
        with show_errors():
            studies.delete(artifacts_root(), study_id)
            to_url(study=None, n=None, activation=None, beside=None)
            st.rerun()


def verdict(study: Study, found: evaluating.Found) -> None:
    """The headline, what the vectors alone achieve, and whether the split flatters."""
    if found.headline:
        st.subheader("Who wins", anchor=False)
        st.info(plain(found.headline), icon=":material/balance:")
    elif study.plan.baselines:
        st.info("The baselines are not fitted yet; the comparison appears once one split has them.", icon=":material/hourglass_top:")
    else:
        st.info("This study has no baselines. Extend it with some to see whether the model is worth its trouble.", icon=":material/info:")
    for sentence in found.comparisons:
        st.text(sentence)
    if found.judged:
        share, sentence = evaluating.flattery(study, *found.judged)
        (st.warning if share >= diagnosis.FLATTERS and study.plan.settings.split == "random" else st.caption)(sentence)


def errors_part(study: Study, found: evaluating.Found, others: list[Study]) -> None:
    """The table and the boxes over splits, for one of the errors."""
    st.subheader("Errors over the splits", anchor=False)
    known = [m for m in METRIC_WORDS if found.errors[m].notna().any()]
    metric = st.segmented_control(
        "Error", known, format_func=METRIC_WORDS.get, default=known[0], required=True, key="metric",
        help="MAE is the research's error. log10 RMSE counts factors instead of units; R² is 1 for a perfect prediction.",
    )  # fmt: skip
    unit = study.unit if metric in ("mae", "rmse") else ""
    title = with_unit(METRIC_WORDS[metric], unit)
    beside = None
    if others:
        by_id = {each.id: each for each in others}
        shown = {"none": "nothing else", **{i: label(each) for i, each in by_id.items()}}
        chosen = url_selectbox("Beside it", list(shown), "beside", default="none", show=shown.get)
        beside = by_id.get(chosen or "none")
    for each, errors in [(study, found.errors), *([(beside, evaluating.found(beside).errors)] if beside else [])]:
        st.caption(f"{title}: means over the split seeds, ± their standard deviation. Recipe {each.plan.settings.recipe}, split {each.plan.settings.split}.")
        numbers = {name: st.column_config.NumberColumn(format=FOUR_DIGITS) for part in ("Full", "Eval", "Train") for name in (part, f"± {part}")}
        st.dataframe(
            evaluating.shown_table(errors, metric), hide_index=True, key=f"table {each.id}", placeholder="–",
            column_config={**numbers, "step": st.column_config.NumberColumn(format="%,.0f"), "N_entries": st.column_config.NumberColumn(format="%d")},
        )  # fmt: skip
    if beside and (sentence := evaluating.across(study, beside)):
        st.text(sentence)
    evals = found.errors[found.errors["part"] == "eval"]
    models = evals[evals["n_entries"] > 0]
    if found.judged:
        activation, n = found.judged
        mine = models[(models["activation"] == activation) & (models["n_entries"] == n)]
        compared = pd.concat([mine, evals[evals["n_entries"] == 0]])
        order = compared.groupby("model")[metric].median().sort_values(ascending=metric != "r2").index.tolist()
        left, right = st.columns(2)
        with left:
            st.caption(f"Evaluation error of every model over the splits, N_entries {n}, {activation}.")
            st.altair_chart(charts.error_boxes(compared, metric, title, order), key="model boxes")
        with right:
            st.caption("Evaluation error over the splits for each N_entries.")
            st.altair_chart(charts.entries_boxes(models[models["activation"] == activation], metric, title), key="entries boxes")


def formulas_part(study: Study, found: evaluating.Found) -> None:
    """One combination of settings, formula by formula."""
    assert found.judged
    st.subheader("Formula by formula", anchor=False)
    done = sorted({job.place[:2] for job, _ in study.done()}, key=lambda place: (place[0], place[1]))
    options = {f"{activation} {n}": (activation, n) for activation, n in done}
    shown = {key: f"N_entries {n}, {activation}" for key, (activation, n) in options.items()}
    judged = f"{found.judged[0]} {found.judged[1]}"
    chosen = url_selectbox("Model", list(options), "n", default=judged, show=shown.get)
    if chosen is None:
        raise NotThere("This study has no such model. Choose one from the list.")
    activation, n = options[chosen]
    table = evaluating.measurements(study, activation, n)
    model = PREDICTOR if study.plan.settings.members else ALONE
    target, unit = study.plan.settings.property, study.unit
    left, right = st.columns(2)
    with left:
        st.caption(f"Predicted against measured, {len(table):,} evaluated measurements of {table['seed'].nunique()} splits.")
        st.altair_chart(charts.measured_against_predicted(table, target, unit, log=study.scale == "log"), key="scatter")
    with right:
        each = evaluating.per_formula(study, activation, n, model)
        order = each.groupby("model")["absolute_error"].median().sort_values().index.tolist()
        st.caption("Absolute error of every evaluated formula, for the model and the baselines.")
        st.altair_chart(charts.formula_boxes(each, unit, order), key="formula boxes")
    st.caption("Where the errors come from; the number of measurements stands at the end of each bar.")
    for column, groups, title in zip(
        st.columns(3),
        (diagnosis.by_range(table), diagnosis.by_support(table), diagnosis.by_unseen(table)),
        (with_unit(f"measured {target}", unit), "support of the rarest material", "materials that never trained"),
        strict=True,
    ):
        column.altair_chart(charts.error_by(groups, title, unit), key=f"by {title}")
    intervals(table)
    worst(study, table, activation, n)


def intervals(table: pd.DataFrame) -> None:
    """How often the measured value lies inside the prediction interval."""
    covered = diagnosis.coverage(table)
    if covered.empty:
        st.caption("These models give no prediction intervals: the report recipe trains no fold models.")
        return
    st.caption("Prediction intervals: how many of the evaluated measurements lie inside, and how wide they are.")
    names_ = {
        "formulas": "materials", "nominal": "nominal (%)", "measured": "measured (%)", "noise": "± noise (%)",
        "median_width": "median width", "measurements": "measurements",
    }  # fmt: skip
    percent = {name: st.column_config.NumberColumn(format="%.1f") for name in ("measured (%)", "± noise (%)")}
    st.dataframe(
        covered.rename(columns=names_), hide_index=True, key="coverage",
        column_config={**percent, "median width": st.column_config.NumberColumn(format=FOUR_DIGITS, help="In the unit of the property.")},
    )  # fmt: skip


def worst(study: Study, table: pd.DataFrame, activation: str, n: int) -> None:
    """The formulas predicted worst; a chosen one shows its composition, and its materials lead onwards."""
    st.caption("The formulas predicted worst. Choose one to see what it is made of.")
    rows = diagnosis.worst(table, study.scale, MOST_WORST)
    unit = study.unit
    names_ = {
        "formula_id": "formula", "measured": with_unit("measured", unit), "predicted": with_unit("predicted", unit),
        "absolute_error": with_unit("absolute error", unit), "factor": "factor", "support": "support of the rarest", "unseen": "unseen materials",
        "times": "times evaluated",
    }  # fmt: skip
    shown = rows[[name for name in names_ if name in rows]].rename(columns=names_)
    numbers = {words: st.column_config.NumberColumn(format=FOUR_DIGITS) for name, words in names_.items() if name not in ("formula_id", "times")}
    picked = st.dataframe(shown, hide_index=True, on_select="rerun", selection_mode="single-row", key=f"worst {study.id}", column_config=numbers)
    if not picked.selection.rows or picked.selection.rows[0] >= len(rows):
        return
    row = rows.iloc[picked.selection.rows[0]]
    made_of = evaluating.composition(study, int(row["formula"]))
    with st.container(border=True):
        st.text(f"Formula {row['formula_id']}: {len(made_of)} materials")
        st.dataframe(made_of, hide_index=True, key="composition", column_config={"amount (weight-%)": st.column_config.NumberColumn(format=FOUR_DIGITS)})
        material = st.selectbox("Look at one of its materials", made_of["material"].tolist(), key=fresh_key("material", f"{study.id} {row['formula_id']}"))
        seed = int(table[table["formula"] == row["formula"]]["seed"].iloc[0])
        run = f"{study.id}{IN_STUDY}{activation}-n{n}-s{seed}"
        with st.container(horizontal=True):
            link("materials", "On the map of materials", run=run, material=material)
            link("similar", "Similar materials", run=run, material=material)


start_page("Evaluate", "How good the predictions are on formulas that took no part in training, against which simpler methods, and where they fail.")
all_studies, broken = list_studies(artifacts_root())
for sentence in broken:
    st.warning(plain(sentence), icon=":material/broken_image:")
with st.expander("Start a new study", icon=":material/add:", expanded=not all_studies), show_errors():
    new_study()
if all_studies:
    with show_errors():
        by_id = {each.id: each for each in all_studies}
        if from_url("study") is None:
            to_url(study=all_studies[0].id)
        chosen = url_selectbox("Study", list(by_id), "study", show={i: label(each) for i, each in by_id.items()}.get, drop=["n", "beside"])
        if chosen is None:
            raise NotThere("There is no such study. Choose one from the list.")
        study = by_id[chosen]
        st.fragment(progress, run_every=POLL_SECONDS if study.busy else None)(chosen)
        found = evaluating.found(study)
        if found.judged is None:
            st.text("The tables and charts appear here as soon as the first run is done.")
        else:
            alike = [s for s in all_studies if s.id != chosen and s.plan.data_hash == study.plan.data_hash
                     and s.plan.settings.property == study.plan.settings.property]  # fmt: skip
            verdict(study, found)
            errors_part(study, found, alike)
            formulas_part(study, found)
else:
    st.caption("No study yet. Start one above: it trains models over several splits and compares them with simpler methods.")
