"""What if: another material in a formula or in all of them, codes merged, near pairs that act differently, new materials, a goal."""

from __future__ import annotations

import numpy as np
import streamlit as st

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.storage import list_datasets, open_dataset
from matrep_core.runs.store import artifacts_root
from matrep_core.whatif.aim import REACHED, Goal, suggestions_table
from matrep_core.whatif.bench import Bench
from matrep_core.whatif.pasted import read_pasted
from matrep_core.whatif.report import plan_of
from matrep_core.whatif.substitute import AMOUNTS, Swap, Wish, side_by_side
from matrep_core.wording import measured
from matrep_ui.asking import (
    asked_columns, bench_of, candidates_in_words, candidates_of, cliffs_of, further_runs, placed, region_picture, replaced_of, suggested,
    swap_of, told_in_words, value_columns,
)  # fmt: skip
from matrep_ui.charts import FOUR_DIGITS, with_unit
from matrep_ui.likeness import file_name
from matrep_ui.looking import material_labels
from matrep_ui.merging import show_merge
from matrep_ui.page import choose_run, empty_state, fresh_key, from_url, link, plain, show_errors, start_page, to_url, url_control, url_selectbox
from matrep_ui.taking import downloads

ASKS = {"substitute": "Substitute", "everywhere": "Everywhere", "aim": "Aim", "place": "Place a new material", "merge": "Merge look-alikes", "cliffs": "Cliffs"}
PASTED = "pasted"


def choose_formula(bench: Bench) -> tuple[np.ndarray, int | None, str]:
    """The amounts (M,) of the formula, its row where it is one of the data set, and its name."""
    paste = st.toggle("Paste a formula instead", key="paste", help="A material and its weight-% a line, as copied from a spreadsheet.")
    if paste:
        text = st.text_area("Material and weight-% a line", height=180, key="pasted text", placeholder="Water\t92\nGLY01\t8")
        if not text.strip():
            st.info("Paste a formula: a code and its weight-% on every line.", icon=":material/content_paste:")
            st.stop()
        return read_pasted(bench.data, text), None, PASTED
    ids = bench.data.formula_ids
    several = np.diff(bench.data.amounts.indptr) > 1  # one material alone leaves nothing to swap beside it
    first = ids[int(np.argmax(several))]
    chosen = url_selectbox("Formula", ids, "formula", default=first, drop=["old", "new"])
    if chosen is None:
        raise NotThere(f"There is no formula {(from_url('formula') or '')[:80]!r} in this run. Choose one from the list.")
    row = bench.formula(chosen)
    return bench.dense(row), row, chosen


def choose_old(bench: Bench, before: np.ndarray) -> str:
    """The material of the formula that is to go."""
    held = bench.held(before)
    index, labels = bench.data.material_index, material_labels(bench.run)
    smaller = held[1] if len(held) > 1 else held[0]
    chosen = url_selectbox(
        "Material to replace", held, "old", default=smaller, drop=["new"],
        show={code: f"{labels[code]} · {measured(before[index[code]], 'weight-%')}" for code in held}.get,
    )  # fmt: skip
    if chosen is None:
        raise NotThere(f"This formula does not hold {(from_url('old') or '')[:80]!r}. Choose one of its materials.")
    return chosen


def choose_wish(bench: Bench) -> Wish:
    """How much of the new material, and who may take the place."""
    amount = str(st.segmented_control(
        "Amount of the new material", list(AMOUNTS), default="kept", required=True, key="amount", format_func=str.capitalize,
    ))  # fmt: skip
    st.caption(AMOUNTS[amount].capitalize() + ".")
    low = high = None
    with st.expander("Who may take the place", icon=":material/filter_alt:"):
        if amount == "optimised":
            first, second = st.columns(2)
            low = first.number_input("Least weight-% of the new one", 0.001, 99.999, None, placeholder="as seen in training")
            high = second.number_input("Most weight-% of the new one", 0.001, 99.999, None, placeholder="as seen in training")
        functions = bool(bench.similarity.functions[1])
        same = st.checkbox("Same function only", disabled=not functions, help=None if functions else "The materials table names no function.")
        stock = st.checkbox(
            "In stock only", disabled=bench.stock is None,
            help=None if bench.stock is not None else "Give materials.csv a column stock or availability.",
        )  # fmt: skip
        never = st.multiselect("Never these", bench.data.materials, placeholder="Choose materials")
        least = int(st.number_input("In at least so many training formulas", 0, max(1, int(bench.run.support.max())), 3))
    return Wish(amount, low, high, same, stock, tuple(never), least)


def substitute(bench: Bench) -> None:
    """From the question to the plan: formula, material, candidates, one of them side by side, export."""
    left, right = st.columns([1, 1])
    with left:
        before, row, name = choose_formula(bench)
    with right:
        old = choose_old(bench, before)
        wish = choose_wish(bench)
    table = candidates_of(bench, before, old, wish, row)
    st.subheader("Candidates", anchor=False)
    unsure = int(table["unsure"].sum())
    if unsure:
        st.warning(
            f"{unsure:,} of {len(table):,} candidates are unsure: their interval is wider than the spread of all training values.",
            icon=":material/help:",
        )
    st.caption("The least change to be expected first, with the spread between the models (±) counted in. Distance 0 = the same by all evidence.")
    chosen = st.dataframe(
        candidates_in_words(table, bench), hide_index=True, on_select="rerun", selection_mode="single-row",
        key=fresh_key("candidates", f"{name} {old} {wish.amount}"), height=min(420, 38 + 35 * len(table)),
        column_config={
            "material": st.column_config.TextColumn(pinned=True),
            "distance": st.column_config.NumberColumn(format="%.3g"),
            "amount (weight-%)": st.column_config.NumberColumn(format=FOUR_DIGITS),
            **{with_unit(f"{a.name} then", a.unit): st.column_config.NumberColumn(format=FOUR_DIGITS) for a in bench.asked},
        },
    ).selection.rows  # fmt: skip
    downloads(table, file_name("candidates", old, bench.run), key="candidates")
    codes = table["material"].tolist()
    wanted = codes[chosen[0]] if chosen and chosen[0] < len(codes) else from_url("new") if from_url("new") in codes else codes[0]
    if chosen:
        to_url(new=wanted)
    show_swap(bench, swap_of(bench, before, old, wanted, wish, row), name, f"{wanted}  for  {old}")
    link("similar", "Neighbours of the old material", run=bench.run.id, material=old)


def show_swap(bench: Bench, found: Swap, name: str, title: str) -> None:
    """Before and after side by side, what drives the change, what to mind, and the plan to take along."""
    st.subheader("Before and after", anchor=False)
    st.text(f"{title}  in  {name}")
    if found.unsure:
        st.warning("Unsure: the interval is wider than the spread of all training values. Measure before you rely on it.", icon=":material/help:")
    for text in found.warnings:
        st.warning(plain(text), icon=":material/warning:")
    st.dataframe(told_in_words(found), hide_index=True)
    st.dataframe(
        side_by_side(bench, found.before, found.after), hide_index=True,
        column_config={
            "inci": "INCI name",
            **{n: st.column_config.NumberColumn(f"{n} (weight-%)", format=FOUR_DIGITS) for n in ("before", "after", "change")},
        },
    )  # fmt: skip
    st.write("**What drives the change**, in standard deviations of the training values; the steps sum to the whole.")
    st.dataframe(found.drivers, hide_index=True, column_config={"sd": st.column_config.NumberColumn("change (SD)", format="%+.2f")})
    st.write("**Plan**: what to weigh, what to expect, what to mind.")
    downloads(plan_of(bench, found, name, " ".join(title.split())), file_name("plan", title, bench.run), key="plan")


def everywhere(bench: Bench) -> None:
    """One material replaced in every formula; those that break first, first."""
    left, right = st.columns(2)
    label = material_labels(bench.run).__getitem__
    with left:
        old = url_selectbox("Replace", bench.data.materials, "old", show=label)
    with right:
        new = url_selectbox("by", bench.data.materials, "new", show=label)
    if old is None or new is None:
        st.info("Choose the material to replace and the one that takes its place.", icon=":material/swap_horiz:")
        return
    bounds = {}
    with st.expander("What the property may be", icon=":material/straighten:"):
        st.caption("Without bounds a formula breaks where the change is more than half the width of its 80 % interval.")
        for asked in bench.asked:
            first, second = st.columns(2)
            low = first.number_input(with_unit(f"{plain(asked.name)}, at least", plain(asked.unit)), value=None, key=f"low {asked.name}")
            high = second.number_input(with_unit(f"{plain(asked.name)}, at most", plain(asked.unit)), value=None, key=f"high {asked.name}")
            bounds[asked.name] = (np.nan if low is None else low, np.nan if high is None else high)
    table = replaced_of(bench, old, new, bounds)
    broken = int((table["breaks"] != "").sum())
    st.write(f"**{broken:,} of {len(table):,} formulas would break.** They stand first.")
    st.dataframe(
        table, hide_index=True, height=min(560, 38 + 35 * len(table)), placeholder="not known",
        column_config={
            "formula_id": st.column_config.TextColumn("formula", pinned=True),
            "amount": st.column_config.NumberColumn("amount (weight-%)", format=FOUR_DIGITS),
            "breaks": st.column_config.TextColumn("breaks by"),
            "by": st.column_config.NumberColumn("how far", format="%.2f", help="1 = just at the border of what is allowed."),
            **asked_columns(bench),
        },
    )  # fmt: skip
    downloads(table, file_name("everywhere", old, bench.run), key="everywhere")


def show_cliffs(bench: Bench) -> None:
    """Near pairs whose swap changes the property strongly."""
    table = cliffs_of(bench)
    asked = bench.asked[0]
    st.caption(f"Materials that are near by all evidence and yet change {plain(asked.name)} strongly when one takes the other's place.")
    st.dataframe(
        table, hide_index=True,
        column_config={
            "material": st.column_config.TextColumn(pinned=True), "other": "in its place",
            "distance": st.column_config.NumberColumn(format="%.3g"),
            "change": st.column_config.NumberColumn(f"{asked.name} changes by ({asked.change_unit})", format="%+,.3g"),
            "spread": st.column_config.NumberColumn("± between models", format="%.2g"),
            "steepness": st.column_config.NumberColumn(format="%.3g", help="Change in standard deviations over distance."),
        },
    )  # fmt: skip
    downloads(table, file_name("cliffs", asked.name, bench.run), key="cliffs")


def choose_goal(bench: Bench, before: np.ndarray, values: dict[str, tuple[float, float]]) -> Goal:
    """What may change, and within which amounts and which cost."""
    materials = bench.data.materials
    label = material_labels(bench.run).__getitem__
    with st.expander("What may change", icon=":material/filter_alt:"):
        first, second = st.columns(2)
        changes = int(first.number_input(
            "Materials changed at most", 1, 5, 2, help="Not counting the one that takes up the rest, and those that the bounds change anyway.",
        ))  # fmt: skip
        balance = second.selectbox("Takes up the rest", bench.held(before), format_func=label)
        never = st.multiselect("Leave these as they are", materials, format_func=label, placeholder="Choose materials", key="aim never")
        out = st.multiselect("Leave these out", materials, format_func=label, placeholder="Choose materials", key="aim out")
        bounded = st.multiselect(
            "Bound the weight-% of these", materials, format_func=label, placeholder="Choose materials", key="aim bounded",
            help="A least of more than 0 makes a material a must. Without bounds: 0 to the most seen in training.",
        )  # fmt: skip
        amounts = {code: (0.0, 0.0) for code in out}
        for code in bounded:
            low, high = st.columns(2)
            least = low.number_input(f"{plain(code)}, least weight-%", 0.0, 100.0, 0.0, key=f"aim least {code}")
            most = high.number_input(f"{plain(code)}, most weight-%", 0.0, 100.0, bench.most_seen(code), key=f"aim most {code}", help="The most seen in training, unless you change it.")
            if code in out:
                raise SettingRefused(code, f"{least:g} to {most:g}", "it is left out and bounded at once; take it out of one of the two lists.")
            amounts[code] = (least, most)
        cost = None
        if bench.prices is not None:
            now = float(bench.cost(before[None])[0])
            words = f"It is {measured(now)} now: the mean price by weight." if np.isfinite(now) else "Not known now: a material has no price."
            cost = st.number_input(f"Cost at most, as {plain(bench.price_name)}", value=None, key="aim cost", placeholder="any", help=words)
        else:
            st.caption("Give the materials table a column price, and the cost can be bounded, too.")
    return Goal(values, amounts, np.nan if cost is None else cost, tuple(never), str(balance), changes)


def aim(bench: Bench) -> None:
    """Wanted values, and the changes that come nearest, few materials first."""
    before, row, name = choose_formula(bench)
    now = {asked.name: float(asked.predict(np.atleast_2d(before), row).value[0]) for asked in bench.asked}
    values = {}
    for asked in bench.asked:
        st.caption(f"{plain(asked.name)} is predicted to be {plain(measured(now[asked.name], asked.unit))} now. What do you want?")
        first, second = st.columns(2)
        low = first.number_input(with_unit("At least", plain(asked.unit)), value=None, key=f"aim low {asked.name}")
        high = second.number_input(with_unit("At most", plain(asked.unit)), value=None, key=f"aim high {asked.name}")
        values[asked.name] = (np.nan if low is None else low, np.nan if high is None else high)
    goal = choose_goal(bench, before, values)
    if not any(np.isfinite(bound).any() for bound in values.values()):
        st.info("Give a least or a most for at least one property.", icon=":material/flag:")
        return
    found = suggested(bench, before, goal, row)
    if not found:
        st.success("The formula is there already, or no change that is allowed comes nearer.", icon=":material/check:")
        return
    table = suggestions_table(bench, found)
    st.caption("The fewest materials changed first. Away: standard deviations of the training values from what you want; 0 = reached.")
    if found[-1].away > REACHED:
        st.warning(
            f"None of these reaches what you want: the nearest stays {found[-1].away:.2f} standard deviations away. Allow more changes or wider bounds.",
            icon=":material/flag:",
        )  # fmt: skip
    st.dataframe(
        table, hide_index=True,
        column_config={**asked_columns(bench), "cost": st.column_config.NumberColumn(format=FOUR_DIGITS), "away": st.column_config.NumberColumn(format="%.2f")},
    )  # fmt: skip
    number = st.selectbox("Look at", range(len(found)), format_func=[", ".join(each.changes) for each in found].__getitem__, index=len(found) - 1)
    show_swap(bench, found[number].swap, name, "Other amounts of " + ", ".join(found[number].changes))


def show_places(bench: Bench) -> None:
    """New materials of another data set, each with its stand-ins, region, predictions and next formula."""
    sets = {each.id: each.name for each in list_datasets(artifacts_root())}
    if not sets:
        empty_state("Upload formulas that contain the new material, measured or not; then choose them here.", "data", "Upload formulas")
        return
    chosen = url_selectbox("Formulas with the new material", list(sets), "new_data", show=sets.get, help="A data set of the page Data.")
    if chosen is None:
        st.info("Choose a data set whose formulas contain a material that this run never trained.", icon=":material/new_releases:")
        return
    found = placed(bench.run, open_dataset(artifacts_root(), chosen))
    code = st.selectbox("New material", [each.code for each in found]) if len(found) > 1 else found[0].code
    one = next(each for each in found if each.code == code)
    st.subheader(plain(one.code), anchor=False)
    if one.unsure:
        st.warning("Unsure: the typical 80 % interval is wider than the spread of all training values. Measure a formula.", icon=":material/help:")
    st.write(f"{one.measured:,} of its {len(one.predictions):,} formulas are measured. {one.note}")
    left, right = st.columns(2)
    with left:
        st.write("**Acts probably like**")
        st.dataframe(
            one.stand_ins, hide_index=True,
            column_config={
                "probability": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
                "misfit": st.column_config.NumberColumn("misfit (SD)", format="%.2f", help="Root mean square error on the measured formulas."),
                "support": "training formulas",
            },
        )  # fmt: skip
    with right:
        st.altair_chart(region_picture(bench.run, one))
    columns = {"formula_id": "formula", "amount": st.column_config.NumberColumn("amount (weight-%)", format=FOUR_DIGITS)}
    st.write("**Predictions**")
    st.dataframe(one.predictions, hide_index=True, placeholder="not measured", column_config={**columns, **value_columns("")})
    downloads(one.predictions, file_name("placed", one.code, bench.run), key="placed")
    if len(one.teaches):
        st.write("**Measure next**: the formula that would teach most about it stands first.")
        shown = one.teaches[["formula_id", "amount", "predicted", "low80", "high80", "teaches"]]
        st.dataframe(
            shown, hide_index=True,
            column_config={**columns, **value_columns(bench.run.unit), "teaches": st.column_config.NumberColumn("teaches (SD)", format="%.3f")},
        )  # fmt: skip
        downloads(one.teaches, file_name("next", one.code, bench.run), key="next")


with show_errors():
    start_page("What if", "Ask the trained models what a change of materials would do, how sure they are, and take the answer along as a plan.")
    run = choose_run()
    others = further_runs(run)
    also = st.multiselect(
        "Further properties", list(others), format_func=others.get, placeholder="Answer for these too",
        help="The newest finished run of each further property of the same data.",
    ) if others else []  # fmt: skip
    bench = bench_of(run, also)
    ask = url_control("Question", list(ASKS), "ask", show=ASKS, default="substitute")
    {"substitute": substitute, "everywhere": everywhere, "aim": aim, "place": show_places, "merge": show_merge, "cliffs": show_cliffs}[ask](bench)
