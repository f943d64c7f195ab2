"""What the page What if asks of the core, each answer computed once, and its tables in words."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from matrep_core.errors import MatRepError
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.storage import content_hash
from matrep_core.runs.store import Run, artifacts_root, list_runs, open_run
from matrep_core.views.cache import content_key
from matrep_core.views.projection import pca_basis
from matrep_core.whatif.aim import Goal, Suggestion, suggest
from matrep_core.whatif.bench import Bench
from matrep_core.whatif.everywhere import cliffs, replaced
from matrep_core.whatif.place import Placement, place
from matrep_core.whatif.substitute import Swap, Wish, candidates, swap
from matrep_core.wording import give_or_take, measured, signed
from matrep_ui.charts import FOUR_DIGITS, with_unit
from matrep_ui.looking import amount_range, similarity


@st.cache_resource(max_entries=4, show_spinner="Opening the models …")
def _bench(_runs: list[Run], key: tuple[str, ...]) -> Bench:
    return Bench(_runs, similarity(_runs[0]))


def bench_of(run: Run, others: list[str]) -> Bench:
    """The bench of ``run`` and of the further runs with these ids; raises NotThere where one keeps no model."""
    runs = [run, *(open_run(artifacts_root(), run_id) for run_id in others)]
    return _bench(runs, tuple(f"{each.path} {each.created} {content_key({'v': each.vectors()})}" for each in runs))


@st.cache_data(max_entries=16, show_spinner=False)
def _of_same_data(run_ids: tuple[str, ...], data_hash: str) -> dict[str, str]:
    found = {}
    for run_id in run_ids:
        try:
            other = open_run(artifacts_root(), run_id)
        except MatRepError:
            continue
        if other.data_hash == data_hash:
            found[run_id] = other.settings.property
    return found


def further_runs(run: Run) -> dict[str, str]:
    """The newest done run of each further property of the same data: run id -> property."""
    ids = tuple(each.id for each in list_runs(artifacts_root())[0] if each.status.state == "done")
    found: dict[str, str] = {}
    for run_id, name in _of_same_data(ids, run.data_hash).items():
        if name != run.settings.property and name not in found.values():
            found[run_id] = name
    return found


@st.cache_data(max_entries=32, show_spinner="Asking the models about every candidate …")
def _candidates(key: str, _bench: Bench, _before: np.ndarray, old: str, wish: Wish, formula: int | None) -> pd.DataFrame:
    return candidates(_bench, _before, old, wish, formula)


def candidates_of(bench: Bench, before: np.ndarray, old: str, wish: Wish, formula: int | None) -> pd.DataFrame:
    return _candidates(_key(bench, before), bench, before, old, wish, formula)


@st.cache_data(max_entries=32, show_spinner="Comparing …")
def _swap(key: str, _bench: Bench, _before: np.ndarray, old: str, new: str, wish: Wish, formula: int | None) -> Swap:
    return swap(_bench, _before, old, new, wish, formula)


def swap_of(bench: Bench, before: np.ndarray, old: str, new: str, wish: Wish, formula: int | None) -> Swap:
    return _swap(_key(bench, before), bench, before, old, new, wish, formula)


@st.cache_data(max_entries=16, show_spinner="Asking the models about every formula …")
def _replaced(key: str, _bench: Bench, old: str, new: str, bounds: dict[str, tuple[float, float]]) -> pd.DataFrame:
    return replaced(_bench, old, new, bounds)


def replaced_of(bench: Bench, old: str, new: str, bounds: dict[str, tuple[float, float]]) -> pd.DataFrame:
    return _replaced(_key(bench), bench, old, new, bounds)


@st.cache_data(max_entries=16, show_spinner="Searching …")
def _suggested(key: str, _bench: Bench, _before: np.ndarray, goal: Goal, formula: int | None) -> list[Suggestion]:
    return suggest(_bench, _before, goal, formula)


def suggested(bench: Bench, before: np.ndarray, goal: Goal, formula: int | None) -> list[Suggestion]:
    return _suggested(f"{_key(bench, before)} {goal}", bench, before, goal, formula)


@st.cache_data(max_entries=8, show_spinner="Looking for cliffs …")
def _cliffs(key: str, _bench: Bench) -> pd.DataFrame:
    return cliffs(_bench)


def cliffs_of(bench: Bench) -> pd.DataFrame:
    return _cliffs(_key(bench), bench)


def _key(bench: Bench, before: np.ndarray | None = None) -> str:
    arrays = {f"vectors {n}": each.predictor.vectors for n, each in enumerate(bench.asked)}
    arrays["before"] = np.zeros(0) if before is None else before
    return content_key(arrays, runs=[str(each.run.path) for each in bench.asked])


# Words ------------------------------------------------------------------------------------------------


def interval(low: float, high: float, unit: str) -> str:
    """An interval with its unit; "none" where the run has no fold models."""
    return f"{measured(low)} to {measured(high, unit)}" if math.isfinite(low) and math.isfinite(high) else "none"


def candidates_in_words(table: pd.DataFrame, bench: Bench) -> pd.DataFrame:
    """Candidates as a chemist reads them: what changes first, then what is known, then what to mind."""
    shown = pd.DataFrame({"material": table["material"]})
    shown["sure?"] = np.where(table["unsure"], "unsure", "")
    for asked in bench.asked:
        name, unit = asked.name, asked.change_unit
        shown[f"{name} changes by"] = [
            signed(change, unit) + (f" {give_or_take(spread)}" if math.isfinite(spread) else "")
            for change, spread in zip(table[f"{name} change"], table[f"{name} spread"], strict=True)
        ]
        shown[with_unit(f"{name} then", asked.unit)] = table[f"{name} after"]
        shown[with_unit(f"{name}, 80 % interval", asked.unit)] = [
            interval(low, high, "") for low, high in zip(table[f"{name} low80"], table[f"{name} high80"], strict=True)
        ]
    shown["amount (weight-%)"] = table["amount"]
    if (table["inci"] != "").any():
        shown["INCI name"] = table["inci"]
    if (table["function"] != "").any():
        shown["function"] = table["function"]
        shown["same function"] = table["same_function"].replace("", "unknown")
    if "price" in table:
        shown[bench.price_name] = table["price"]
        shown["cost changes by"] = table["cost_change"]
    if "in_stock" in table:
        shown["in stock"] = table["in_stock"]
    shown["distance"] = table["distance"]
    shown["training formulas"] = table["support"]
    shown["seen amounts (weight-%)"] = [amount_range(a, b, unit="") for a, b in zip(table["low"], table["high"], strict=True)]
    shown["mind"] = table["warnings"]
    return shown


KINDS = {
    "measured": "measured", "predicted": "predicted", "before": "before", "after": "after",
    "low80": "80 % from", "high80": "80 % to", "low95": "95 % from", "high95": "95 % to",
}  # fmt: skip


def value_columns(unit: str, name: str = "") -> dict[str, Any]:
    """How a table shows the values of the property ``name`` in its columns "name before" and so on: four digits, and the unit."""
    return {
        f"{name} {kind}".strip(): st.column_config.NumberColumn(with_unit(f"{name} {words}".strip(), unit), format=FOUR_DIGITS)
        for kind, words in KINDS.items()
    }


def asked_columns(bench: Bench) -> dict[str, Any]:
    """``value_columns`` of every property that is asked for."""
    return {column: shown for asked in bench.asked for column, shown in value_columns(asked.unit, asked.name).items()}


def told_in_words(found: Swap) -> pd.DataFrame:
    """One row a property: before, after, change, interval."""
    rows: list[dict[str, Any]] = []
    for row in found.told.to_dict("records"):
        rows.append(
            {
                "property": row["property"],
                "measured": measured(row["measured"], row["unit"]) if math.isfinite(row["measured"]) else "not measured",
                "predicted before": measured(row["before"], row["unit"]), "predicted after": measured(row["after"], row["unit"]),
                "80 % interval after": interval(row["low80"], row["high80"], row["unit"]),
                "change": signed(row["change"], row["change unit"]),
                "between models": give_or_take(row["spread"], row["change unit"]) if math.isfinite(row["spread"]) else "one model alone",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


# New materials ------------------------------------------------------------------------------------------


@st.cache_data(max_entries=8, show_spinner="Placing the new materials …")
def _placed(key: str, _run: Run, _new: FormulaSet) -> list[Placement]:
    return place(_run, _new)


def placed(run: Run, new: FormulaSet) -> list[Placement]:
    """The new materials of ``new`` placed in ``run``, computed once."""
    return _placed(f"{run.path} {content_key({'v': run.vectors()})} {content_hash(new)}", run, new)


def region_picture(run: Run, found: Placement) -> alt.LayerChart:
    """The trained materials on the first two principal components, and where the new one probably lies."""
    trained = run.support > 0
    vectors = run.vectors()
    basis = pca_basis(vectors, min(2, run.settings.n_entries), trained)
    known, cloud = basis.apply(vectors[trained]).coordinates, basis.apply(found.region.drawn(300)).coordinates
    probable = dict(zip(found.stand_ins["material"].head(5), found.stand_ins["probability"].head(5), strict=False))
    codes = np.array(run.data.materials, dtype=object)[trained]
    points = pd.DataFrame({"x": known[:, 0], "y": known[:, -1], "material": codes, "what": ["likely stand-in" if c in probable else "trained" for c in codes]})
    region = pd.DataFrame({"x": cloud[:, 0], "y": cloud[:, -1], "what": f"{found.code}: probable region"})
    axes = (alt.X("x:Q", title="first principal component"), alt.Y("y:Q", title="second principal component"))
    haze = alt.Chart(region).mark_circle(size=30, opacity=0.15).encode(*axes, alt.Color("what:N", title=None).legend(orient="top", labelLimit=320))
    marks = alt.Chart(points).mark_circle(size=60, opacity=0.9).encode(*axes, alt.Color("what:N"), tooltip=["material:N", "what:N"])
    return haze + marks
