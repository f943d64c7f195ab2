"""Whose evidence speaks for what acts alike: the run that is looked at, or all runs of a study of the same formulas."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from matrep_core.errors import NotThere
from matrep_core.evaluation.results import Study, list_studies
from matrep_core.runs.store import Run, artifacts_root
from matrep_core.similarity.of_study import LEAST_RUNS, ask_study
from matrep_core.similarity.ranking import Similarity
from matrep_core.views.background import Progress
from matrep_ui.evaluating import stamp_of
from matrep_ui.looking import Look, has_model, with_evidence
from matrep_ui.page import from_url, url_selectbox

_POLL = 0.3  # seconds
THIS = "run"


def studies_of(run: Run) -> dict[str, Study]:
    """The studies of the run's own formulas, the same by content, by their ids; the newest first."""
    return {study.id: study for study in list_studies(artifacts_root())[0] if study.plan.data_hash == run.data_hash}


def _label(study: Study) -> str:
    plan = study.plan
    entries = f"N_entries {', '.join(map(str, plan.entries))}"
    return f"study of {plan.settings.property} · {entries} · {', '.join(plan.activations)} · {plan.splits} splits · {study.id}"


def choose_evidence(look: Look) -> Look:
    """The look with what speaks for it; the choice lives in the address under "evidence", and is hidden where there is none."""
    if not has_model(look.run):
        return look
    studies, wanted = studies_of(look.run), from_url("evidence")
    if not studies and wanted in (None, THIS):
        return look
    chosen = url_selectbox(
        "Evidence from", [THIS, *studies], "evidence", default=THIS,
        show={THIS: "this run alone", **{key: _label(each) for key, each in studies.items()}}.get,
        help="A study trained many runs on the same formulas, with other splits, seeds and N_entries: what holds in many of them is "
        "surer than what one run says.",
    )  # fmt: skip
    if chosen is None:
        raise NotThere(f"There is no study {str(wanted)[:80]!r} of these formulas. Choose the evidence from the list.")
    if chosen == THIS:
        return look
    study = studies[chosen]
    done = len(study.done())
    if done < LEAST_RUNS:
        st.info(f"Of this study {done} runs are done; at least {LEAST_RUNS} are needed. Until then this run alone speaks.", icon=":material/hourglass_top:")
        return look
    stamp = stamp_of(study)
    return with_evidence(look, stamp, _ranks(stamp, study))


@st.cache_resource(max_entries=3, show_spinner="Reading the runs of the study …")
def _ranks(stamp: str, _study: Study) -> Similarity:
    note, root, started = st.empty(), Path(artifacts_root()), time.monotonic()
    while isinstance(found := ask_study(root, _study), Progress):
        far = "waiting for its turn" if found.share is None else f"{found.share:.0%} done"
        note.info(
            f"A process of its own reads the runs of the study: {far}, {time.monotonic() - started:.0f} s so far. It is done once and "
            "then kept.", icon=":material/hourglass_top:",
        )  # fmt: skip
        time.sleep(_POLL)
    note.empty()
    return found
