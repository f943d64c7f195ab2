"""What the page Evaluate asks of a study, each answer computed once for what is done so far."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from matrep_core.evaluation import diagnosis, results
from matrep_core.evaluation.comparison import in_words
from matrep_core.evaluation.report import USUAL_ENTRIES, costs, headline
from matrep_core.evaluation.results import Study, best_baseline, best_model, table

METRIC_WORDS = {"mae": "MAE", "rmse": "RMSE", "r2": "R²", "log10_rmse": "log10 RMSE"}


@dataclass(frozen=True, eq=False)
class Found:
    """What a study says so far: the tidy errors, the headline, and the combination of settings that is judged."""

    errors: pd.DataFrame
    headline: str
    comparisons: list[str]
    judged: tuple[str, int] | None  # code activation and N_entries
    baseline: str | None


def stamp_of(study: Study) -> str:
    """A text that changes whenever there is more to say about the study."""
    files = sorted([*study.path.glob("runs/*/scores.json"), study.path / "study.json", study.path / "baselines.json"])
    return f"{study.path} " + " ".join(str(file.stat().st_mtime_ns) for file in files if file.exists())


def found(study: Study) -> Found:
    return _found(stamp_of(study), study)


@st.cache_data(max_entries=8, show_spinner="Reading the runs of the study …")
def _found(stamp: str, _study: Study) -> Found:
    errors = _study.errors()
    ours, theirs = best_model(errors, USUAL_ENTRIES), best_baseline(errors)
    judged = (str(ours["activation"]), int(ours["n_entries"])) if ours else None
    return Found(errors, headline(_study, errors), costs(_study, errors), judged, str(theirs["model"]) if theirs else None)


def across(study: Study, other: Study) -> str:
    """The comparison of two studies on the same splits in a sentence; "" where they have none in common."""
    compared = results.across(study, found(study).errors, other, found(other).errors, USUAL_ENTRIES)
    return in_words(compared, study.plan.settings.property, study.unit) if compared else ""


def measurements(study: Study, activation: str, n_entries: int) -> pd.DataFrame:
    """Every evaluated measurement of every split, as ``diagnosis.evaluated`` gives it; raises NotThere."""
    return _measurements(stamp_of(study), activation, n_entries, study)


@st.cache_data(max_entries=8, show_spinner="Reading the predictions …")
def _measurements(stamp: str, activation: str, n_entries: int, _study: Study) -> pd.DataFrame:
    return _study.predictions(activation, n_entries)


def per_formula(study: Study, activation: str, n_entries: int, model: str) -> pd.DataFrame:
    """model and absolute_error of every evaluated measurement, of the model called ``model`` and of the baselines."""
    mine = measurements(study, activation, n_entries)[["absolute_error"]].assign(model=model)
    return pd.concat([mine, _baseline_errors(stamp_of(study), study)[["model", "absolute_error"]]], ignore_index=True)


@st.cache_data(max_entries=8, show_spinner="Reading the baselines …")
def _baseline_errors(stamp: str, _study: Study) -> pd.DataFrame:
    return _study.baseline_errors()


def shown_table(errors: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The research's table under the names that the page shows, the lowest eval error first (R²: the highest)."""
    rows = table(errors, metric).sort_values("eval", ascending=metric != "r2", na_position="last")
    names = {"model": "model", "activation": "code activation", "n_entries": "N_entries", "splits": "splits", "step": "step"}
    for part in ("full", "eval", "train"):
        names |= {part: part.capitalize(), f"{part}_sd": f"± {part.capitalize()}"}
    rows = rows.rename(columns=names)[list(names.values())]
    return rows.assign(N_entries=rows["N_entries"].where(rows["N_entries"] > 0))


def composition(study: Study, formula: int) -> pd.DataFrame:
    """The materials of one formula with amount, support over the whole set, INCI name and function, largest amount first."""
    data = study.data
    info = data.material_info
    rows = []
    for code, amount in data.formula(formula):
        m = data.material_index[code]
        facts = {name: str(info[name].iloc[m]) for name in ("inci", "function") if name in info.columns}
        rows.append({"material": code, "amount (weight-%)": amount, "formulas with it": int(data.support[m]), **facts})
    return pd.DataFrame(rows)



def flattery(study: Study, activation: str, n_entries: int) -> tuple[float, str]:
    return diagnosis.flattery(measurements(study, activation, n_entries), study.plan.settings.split)


def time_in_words(seconds: float | None) -> str:
    """``about 3 min``, or that nothing tells yet."""
    if seconds is None:
        return "no estimate of the time left yet"
    if seconds < 90:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    return f"about {seconds / 60:.0f} min left" if seconds < 5400 else f"about {seconds / 3600:.1f} h left"
