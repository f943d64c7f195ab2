"""Another material in a formula: what is predicted, what it rests on, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matrep_core.cli import main
from matrep_core.errors import DataRefused, NotThere, SettingRefused
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_core.whatif.bench import Bench
from matrep_core.whatif.everywhere import cliffs, replaced
from matrep_core.whatif.pasted import read_pasted
from matrep_core.whatif.report import plan_of
from matrep_core.whatif.substitute import Wish, candidates, side_by_side, swap


@pytest.fixture(scope="module")
def priced(small_cosmetics):
    """The small set with a price and a stock a material."""
    info = small_cosmetics.material_info.drop(columns=["price_per_kg"])
    info["price (EUR/kg)"] = [f"{1 + i % 7},50" for i in range(len(info))]
    info["stock"] = ["12", "no"] * (len(info) // 2) + ["yes"] * (len(info) % 2)
    return replace(small_cosmetics, material_info=info)


@pytest.fixture(scope="module")
def runs(priced, tmp_path_factory) -> list[Run]:
    made = []
    for name in ("viscosity", "density"):
        settings = from_recipe("default", property=name, n_entries=4, steps=200, members=3, frames=2)
        run = prepare(tmp_path_factory.mktemp("runs") / name, priced, settings)
        assert fit(run).state == "done"
        made.append(run)
    return made


@pytest.fixture(scope="module")
def bench(runs) -> Bench:
    return Bench(runs)


@pytest.fixture(scope="module")
def question(bench) -> tuple[int, np.ndarray, str]:
    """A formula, its amounts, and a material of it that trained often but not always."""
    formula = int(np.flatnonzero(bench.run.parts == "train")[0])
    before = bench.dense(formula)
    held = np.flatnonzero(before)
    support = np.where(bench.run.support[held] < 100, bench.run.support[held], 0)
    return formula, before, bench.data.materials[held[support.argmax()]]


def test_candidates_rank_by_the_change_that_the_predictor_gives(bench, question):
    formula, before, old = question
    table = candidates(bench, before, old, Wish(), formula)
    place = bench.data.material_index[old]
    first = table.iloc[0]
    by_hand = before.copy()
    by_hand[bench.data.material_index[first["material"]]], by_hand[place] = by_hand[place], 0
    for asked in bench.asked:
        found = asked.predictor.predict(np.atleast_2d(by_hand), asked.conditions(formula, 1))
        assert first[f"{asked.name} after"] == pytest.approx(found.value[0], rel=1e-5)
        assert first[f"{asked.name} low80"] == pytest.approx(found.low80[0], rel=1e-5)
        between = [asked.targets(each[0]) - asked.targets(base[0]) for each, base in zip(
            found.models, asked.predictor.predict(np.atleast_2d(before), asked.conditions(formula, 1)).models, strict=True
        )]  # fmt: skip
        assert first[f"{asked.name} sd spread"] == pytest.approx(np.std(between, ddof=1), rel=1e-3)
    mean = table["viscosity sd"] ** 2 + table["density sd"] ** 2
    assert (mean + table["viscosity sd spread"] ** 2 + table["density sd spread"] ** 2).is_monotonic_increasing
    assert not mean.is_monotonic_increasing  # a material that the models contradict each other about does not come first for it
    assert (table["support"] > 2).all() and not set(table["material"]) & {bench.data.materials[m] for m in np.flatnonzero(before)}


def test_filters_leave_out_whom_they_name(bench, question):
    formula, before, old = question
    every = candidates(bench, before, old, Wish(), formula)
    never = every["material"].iloc[0]
    table = candidates(bench, before, old, Wish(in_stock=True, never=(never,)), formula)
    assert never not in set(table["material"]) and set(table["in_stock"]) == {"yes"} and len(table) < len(every)
    same = candidates(bench, before, old, Wish(same_function=True, least_support=1), formula)
    assert set(same["same_function"]) == {"yes"}


def test_amounts_kept_rescaled_and_optimised_all_sum_to_the_same(bench, question):
    formula, before, old = question
    new = candidates(bench, before, old, Wish(), formula)["material"].iloc[-1]
    index = bench.data.material_index[new]
    found = {kind: swap(bench, before, old, new, Wish(kind), formula) for kind in ("kept", "rescaled", "optimised")}
    for each in found.values():
        assert each.after.sum() == pytest.approx(before.sum()) and each.after[bench.data.material_index[old]] == 0
        assert (each.after >= 0).all()
    assert found["kept"].after[index] == before[bench.data.material_index[old]]
    away = {kind: np.square(each.told["sd"]).sum() for kind, each in found.items()}
    low, high = bench.facts["low"].iloc[index], bench.facts["high"].iloc[index]
    assert low - 1e-9 <= found["optimised"].after[index] <= high + 1e-9
    assert away["optimised"] <= away["rescaled"] + 1e-9  # the usual amount lies within what was seen
    bound = swap(bench, before, old, new, Wish("optimised", low=0.5, high=0.6), formula)
    assert 0.5 <= bound.after[index] <= 0.6 + 1e-9


def test_what_drives_a_change_sums_to_the_change(bench, question):
    formula, before, old = question
    new = candidates(bench, before, old, Wish(), formula)["material"].iloc[-1]
    found = swap(bench, before, old, new, Wish("rescaled"), formula)
    for row in found.told.itertuples():
        assert found.drivers[found.drivers["property"] == row.property]["sd"].sum() == pytest.approx(row.sd, abs=1e-5)


def test_whatever_was_never_seen_is_told(bench, question):
    _, before, old = question
    index, place = bench.data.material_index, bench.data.material_index[old]
    never = int(np.flatnonzero((bench.run.support == 0) & (before == 0))[0])
    once = int(np.flatnonzero((bench.run.support == 1) & (before == 0))[0])

    def told(material: int, amount: float) -> str:
        after = before.copy()
        after[place], after[material] = 0, amount
        return " ".join(bench.warnings(before, after))

    assert "never trained" in told(never, before[place])
    assert "is rare: 1 training formula hold it" in told(once, before[place])
    known = index[candidates(bench, before, old, Wish())["material"].iloc[0]]
    high = float(bench.facts["high"].iloc[known])
    assert "outside what was seen" in told(known, high + 5) and "outside" not in told(known, high)
    apart = int(np.flatnonzero((bench.run.support > 2) & (before == 0) & (bench.together[[int(np.flatnonzero(before)[0])]].toarray()[0] == 0))[0])
    assert "No training formula holds" in told(apart, 1.0)
    assert bench.warnings(before, before) == []


def test_replacing_everywhere_puts_the_formulas_that_break_first(bench, question):
    _, before, old = question
    new = candidates(bench, before, old, Wish())["material"].iloc[-1]
    table = replaced(bench, old, new)
    holding = np.flatnonzero(bench.data.amounts[:, [bench.data.material_index[old]]].toarray()[:, 0])
    assert set(table["formula_id"]) == {bench.data.formula_ids[row] for row in holding}
    assert table["by"].is_monotonic_decreasing and ((table["by"] > 1) == (table["breaks"] != "")).all()
    low = float(table["viscosity after"].median())
    bounded = replaced(bench, old, new, {"viscosity": (low, np.nan), "density": (np.nan, 1e9)})
    outside = bounded["viscosity after"] < low * (1 - 1e-6)
    assert (bounded["breaks"] == np.where(outside, "viscosity", "")).all() and outside.iloc[0] and not outside.iloc[-1]


def test_cliffs_are_near_pairs_with_their_predicted_swap(bench):
    table = cliffs(bench, most=10)
    assert len(table) and table["steepness"].is_monotonic_decreasing and (table["material"] != table["other"]).all()
    assert (bench.run.support[[bench.data.material_index[m] for m in table["material"]]] > 2).all()


def test_the_plan_weighs_everything_and_says_what_to_expect(bench, question):
    formula, before, old = question
    new = candidates(bench, before, old, Wish(), formula)["material"].iloc[0]
    found = swap(bench, before, old, new, Wish(), formula)
    plan = plan_of(bench, found, bench.data.formula_ids[formula], f"{new} for {old}")
    weigh = plan[plan["kind"] == "weigh"]
    assert weigh["after"].sum() == pytest.approx(before.sum()) and set(plan[plan["kind"] == "expect"]["what"]) == {"viscosity", "density"}
    assert side_by_side(bench, found.before, found.after)["change"].sum() == pytest.approx(0, abs=1e-9)


def test_prices_and_stock_are_read_where_they_are(bench, question):
    _, before, old = question
    table = candidates(bench, before, old, Wish())
    assert bench.price_name == "price (EUR/kg)" and bench.prices[1] == 2.5
    place = bench.data.material_index[old]
    expected = before[place] / 100 * (table["price"].iloc[0] - bench.prices[place])
    assert table["cost_change"].iloc[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{a}\t80\n{b}\t10", "the amounts sum to 90"),
        ("{a}\t80\nNobody 20", "this material is not known"),
        ("{a}\t80\n{a}\t20", "comes twice"),
        ("{a}\t80\n{b}", "no amount"),
        ("{a}\t120\n{b}\t-20", "no amount"),
    ],
)
def test_a_pasted_formula_at_fault_is_refused_with_its_line(bench, text, problem):
    a, b = bench.data.materials[:2]
    with pytest.raises(DataRefused, match=problem):
        read_pasted(bench.data, text.format(a=a, b=b))
    assert read_pasted(bench.data, f"material;amount\n{a};80,5\n\n{b} ; 19,5 %").sum() == 100


def test_what_cannot_be_is_a_sentence(bench, question, runs):
    formula, before, old = question
    for error, ask in (
        (NotThere, lambda: candidates(bench, before, "nobody", Wish())),
        (NotThere, lambda: swap(bench, before, old, "nobody", Wish())),
        (SettingRefused, lambda: swap(bench, before, old, old, Wish())),
        (SettingRefused, lambda: candidates(bench, before, old, Wish("optimised", low=5, high=2))),
        (SettingRefused, lambda: candidates(bench, before, old, Wish("guessed"))),
        (NotThere, lambda: candidates(bench, before, old, Wish(least_support=10**6))),
        (SettingRefused, lambda: Bench([runs[0], runs[0]])),
        (NotThere, lambda: bench.formula("nobody")),
    ):
        with pytest.raises(error):
            ask()


def test_the_command_ranks_candidates_and_looks_at_one(runs, bench, question, capsys):
    import json

    formula, before, old = question
    words = ["substitute", str(runs[0].path), bench.data.formula_ids[formula], old]
    assert main([*words, "--also", str(runs[1].path), "--k", "4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["candidates"]) == 4
    new = document["candidates"][0]["material"]
    assert main([*words, new]) == 0
    shown = capsys.readouterr().out
    assert f"{new} for {old} in" in shown and "80 % interval" in shown and "new material in" in shown
    assert main([*words[:2], "nobody", old]) == 1
    assert "There is no formula 'nobody'" in capsys.readouterr().err


# Aim ----------------------------------------------------------------------------------------------


def test_suggestions_come_nearer_with_each_change_and_keep_the_bounds(bench, question):
    from matrep_core.whatif.aim import Goal, suggest, suggestions_table

    formula, before, _ = question
    first = bench.asked[0].predict(np.atleast_2d(before), formula).value[0]
    held = [bench.data.materials[m] for m in np.argsort(-before) if before[m] > 0]
    goal = Goal({"viscosity": (first * 1.5, np.nan)}, amounts={held[1]: (0.0, float(before.max()))}, never=(held[2],), changes=2)
    found = suggest(bench, before, goal, formula)
    assert found and [len(each.changes) for each in found] == sorted(len(each.changes) for each in found)
    assert [each.away for each in found] == sorted((each.away for each in found), reverse=True)
    for each in found:
        assert each.swap.after.sum() == pytest.approx(before.sum()) and (each.swap.after >= 0).all()
        moved = {bench.data.materials[m] for m in np.flatnonzero(np.abs(each.swap.after - before) > 1e-9)}
        assert moved <= {*each.changes, held[0]} and held[2] not in moved
        assert each.swap.told["after"].iloc[0] > first
    assert len(suggestions_table(bench, found)) == len(found)


def test_a_goal_that_cannot_be_is_a_sentence(bench, question):
    from matrep_core.whatif.aim import Goal, suggest

    _, before, old = question
    for error, goal in (
        (SettingRefused, Goal({"viscosity": (5.0, 2.0)})),
        (SettingRefused, Goal({"viscosity": (np.nan, np.nan)})),
        (NotThere, Goal({"hardness": (1.0, 2.0)})),
        (SettingRefused, Goal({"viscosity": (1.0, 2.0)}, amounts={old: (60.0, 20.0)})),
        (SettingRefused, Goal({"viscosity": (1.0, 2.0)}, amounts={code: (60.0, 70.0) for code in bench.data.materials[:2]})),
        (NotThere, Goal({"viscosity": (1.0, 2.0)}, never=("nobody",))),
        (SettingRefused, Goal({"viscosity": (1.0, 2.0)}, changes=9)),
    ):
        with pytest.raises(error):
            suggest(bench, before, goal)


def test_bounds_of_single_materials_hold_in_every_suggestion(bench, question):
    from matrep_core.whatif.aim import Goal, suggest

    formula, before, _ = question
    index, held = bench.data.material_index, bench.held(before)
    out, bounded, balance = held[2], held[1], held[0]
    must = next(code for code in bench.data.materials if bench.run.support[index[code]] > 5 and code not in held)
    first = float(bench.asked[0].predict(np.atleast_2d(before), formula).value[0])
    amounts = {out: (0.0, 0.0), bounded: (0.0, before[index[bounded]] / 2), must: (0.4, 0.9)}
    found = suggest(bench, before, Goal({"viscosity": (first * 1.5, np.nan)}, amounts, balance=balance, changes=1), formula)
    assert set(found[0].changes) == {out, bounded, must}  # what the bounds change by themselves
    assert len(found) > 1 and len(found[1].changes) <= 4 and set(found[0].changes) <= set(found[1].changes)
    for each in found:
        after = each.swap.after
        assert after[index[out]] == 0 and after[index[bounded]] <= before[index[bounded]] / 2 + 1e-9
        assert 0.4 <= after[index[must]] <= 0.9 + 1e-9 and after.sum() == pytest.approx(before.sum()) and (after >= 0).all()


def test_costs_hold_in_every_suggestion_or_are_said_not_to(bench, question):
    from matrep_core.whatif.aim import Goal, suggest

    formula, before, _ = question
    now = float(bench.cost(before[None])[0])
    cheaper = Goal({"viscosity": (1.0, np.nan)}, most_cost=now * 0.99, changes=2)
    found = suggest(bench, before, cheaper, formula)
    assert found and all(each.cost <= now * 0.99 * (1 + 1e-6) for each in found)
    with pytest.raises(NotThere, match="keeps the bounds: the cost is .* more than 0.001"):
        suggest(bench, before, replace(cheaper, most_cost=0.001, changes=1), formula)


def test_bounds_that_cannot_be_met_are_a_sentence(bench, question):
    from matrep_core.whatif.aim import Goal, suggest

    _, before, _ = question
    held = bench.held(before)
    other = next(code for code in bench.data.materials if code not in held)
    wanted = {"viscosity": (1.0, np.nan)}
    for words, goal in (
        ("its amount is to stay as it is", Goal(wanted, {held[1]: (99.0, 99.5)}, never=(held[1],))),
        ("the least amounts leave nothing for", Goal(wanted, {other: (90.0, 95.0)}, balance=held[-1])),
        (f"{held[0]}, which takes up the rest, would be", Goal(wanted, {held[0]: (0.0, 0.0)}, balance=held[0], changes=1)),
    ):
        with pytest.raises((SettingRefused, NotThere), match=words):
            suggest(bench, before, goal)
