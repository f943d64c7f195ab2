"""Comparison and diagnosis: right on numbers worked out by hand, true on real splits, honest about noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.sparse import csr_array

from matrep_core.evaluation import diagnosis
from matrep_core.evaluation.comparison import compare, in_words
from tests.test_splits import formula_set


def test_the_interval_is_that_of_nadeau_and_bengio():
    ours, theirs = np.array([1.0, 2.0, 1.5, 1.2]), np.array([1.4, 2.1, 2.0, 1.5])
    found = compare("a", ours, "b", theirs, 0.3)
    each = ours - theirs
    reach = stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 0.3 / 0.7) * each.var(ddof=1))
    assert found.difference == pytest.approx(each.mean())
    assert (found.low, found.high) == (pytest.approx(each.mean() - reach), pytest.approx(each.mean() + reach))
    assert found.wins == 4 and found.splits == 4


def test_the_corrected_interval_rarely_calls_noise_a_win_where_the_plain_one_does():
    """Two predictors of equal worth on overlapping splits of one set of formulas."""
    rng = np.random.default_rng(0)
    wrong = {"corrected": 0, "plain": 0}
    for _ in range(300):
        errors = rng.exponential(size=(2, 100))
        splits = np.array([rng.permutation(100)[:30] for _ in range(10)])
        a, b = (row[splits].mean(axis=1) for row in errors)
        wrong["corrected"] += compare("a", a, "b", b, 0.3).verdict != "noise"
        wrong["plain"] += stats.ttest_rel(a, b).pvalue < 0.05
    assert wrong["corrected"] < 0.15 * 300 < wrong["plain"]


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict", "words"),
    [
        ([1.0, 1.1, 0.9], [2.0, 2.1, 1.9], "better", "Ours wins: its error is 50% lower than that of SVR, which is more than noise"),
        ([2.0, 2.1, 1.9], [1.0, 1.1, 0.9], "worse", "SVR wins: the error of Ours is 100% higher, which is more than noise"),
        ([1.0, 2.0, 1.0], [1.1, 1.2, 1.3], "noise", "Ours and SVR cannot be told apart: SVR leads by 11%, which is within the noise"),
        ([1.0], [2.0], "unknown", "On one split the error of Ours is 50% lower"),
    ],
)
def test_the_sentence_says_who_wins_and_whether_it_is_noise(ours, theirs, verdict, words):
    found = compare("Ours", np.array(ours), "SVR", np.array(theirs), 0.3)
    assert found.verdict == verdict
    sentence = in_words(found, "viscosity", "mPa·s")
    assert sentence.startswith(words) and "mPa·s" in sentence


def test_equal_errors_are_no_win():
    same = np.array([1.0, 2.0, 3.0])
    assert compare("a", same, "b", same, 0.3).verdict == "noise"
    with pytest.raises(ValueError):
        compare("a", same, "b", same[:2], 0.3)


# Diagnosis --------------------------------------------------------------------------------------------------

# Formulas 0 to 3 train, 4 to 6 evaluate; materials 0 to 4 with support 4, 2, 1, 0, 0.
DENSE = np.array([
    [50, 50, 0, 0, 0], [40, 60, 0, 0, 0], [90, 0, 10, 0, 0], [100, 0, 0, 0, 0],
    [30, 70, 0, 0, 0], [80, 0, 15, 5, 0], [80, 0, 0, 10, 10],
])  # fmt: skip
PARTS = np.array(["train", "train", "validation", "train", "eval", "eval", "eval"], dtype=object)


def table() -> tuple:
    data = formula_set(csr_array(DENSE))
    measured = np.array([1, 2, 3, 4, 10, 20, 40.0])
    predicted = np.array([1, 2, 3, 4, 12, 10, 41.0])
    predictions = pd.DataFrame({"formula_id": data.formula_ids, "part": PARTS, "measured": measured, "predicted": predicted})
    predictions["low80"], predictions["high80"] = predicted * 0.9, predicted * 1.1
    return data, predictions, diagnosis.evaluated(data, predictions, PARTS)


def test_every_evaluated_formula_carries_what_may_explain_its_error():
    _, _, found = table()
    assert found["formula_id"].tolist() == ["4", "5", "6"]
    assert found["error"].tolist() == [2, -10, 1] and found["absolute_error"].tolist() == [2, 10, 1]
    assert found["materials"].tolist() == [2, 3, 3]
    assert found["rarest"].tolist() == ["M000001", "M000003", "M000003"]
    assert found["support"].tolist() == [2, 0, 0]
    assert found["unseen"].tolist() == [0, 1, 2]
    assert found["twin"].tolist() == [True, False, False]


def test_errors_are_grouped_by_range_support_and_unseen_materials():
    _, _, found = table()
    unseen = diagnosis.by_unseen(found)
    assert unseen.to_dict("list") == {
        "group": ["none", "one", "two or more"], "measurements": [1, 1, 1],
        "mae": [2.0, 10.0, 1.0], "median": [2.0, 10.0, 1.0], "bias": [2.0, -10.0, 1.0],
    }  # fmt: skip
    support = diagnosis.by_support(found)
    assert support["group"].tolist() == ["0", "2"] and support["mae"].tolist() == [5.5, 2.0]
    for groups in (unseen, support, diagnosis.by_range(found)):
        assert groups["measurements"].sum() == 3
        assert np.average(groups["mae"], weights=groups["measurements"]) == pytest.approx(found["absolute_error"].mean())
    assert len(diagnosis.by_range(found.assign(measured=5.0))) == 1


def test_the_worst_formulas_follow_the_scale_of_the_property():
    _, _, found = table()
    linear = diagnosis.worst(found, "linear")
    assert linear["formula_id"].tolist() == ["5", "4", "6"]
    log = diagnosis.worst(found, "log", 2)
    assert log["formula_id"].tolist() == ["5", "4"] and log["factor"].tolist() == pytest.approx([2.0, 1.2])
    twice = diagnosis.worst(pd.concat([found, found.assign(absolute_error=0.0, predicted=found["measured"])]), "linear")
    assert twice["times"].tolist() == [2, 2, 2] and twice["absolute_error"].iloc[0] == 5


def test_coverage_counts_what_lies_in_the_interval():
    _, _, found = table()
    covered = diagnosis.coverage(found)
    assert covered[covered["formulas"] == "all"][["nominal", "measured"]].values.tolist() == [[80, pytest.approx(100 / 3)]]
    assert covered.set_index("formulas")["measured"].to_dict() == pytest.approx(
        {"all": 100 / 3, "none unseen": 0, "one unseen": 0, "many unseen": 100}
    )
    without = found.assign(low80=np.nan, high80=np.nan)
    assert diagnosis.coverage(without).empty and diagnosis.coverage(found.drop(columns=["low80", "high80"])).empty


def test_the_share_of_twins_is_said_and_a_random_split_that_flatters_is_named():
    _, _, found = table()
    share, sentence = diagnosis.flattery(found, "random")
    assert share == pytest.approx(1 / 3) and sentence.startswith("33% of the evaluated formulas") and "flatters" in sentence
    share, sentence = diagnosis.flattery(found.assign(twin=False), "random")
    assert share == 0 and "does not flatter" in sentence
    several = pd.concat([found.assign(seed=0), found.assign(seed=1, twin=True)])
    assert diagnosis.flattery(several, "unseen")[0] == pytest.approx(4 / 6)


def test_a_grouped_split_of_real_formulas_leaves_no_twin(shared_data):
    from matrep_core.formulas.reading import read_data
    from matrep_core.formulas.schema import observations
    from matrep_core.formulas.splits import split_formulas

    data = read_data([shared_data / "shampoo"]).data
    observed = observations(data, "viscosity_100s")
    shares = {}
    for kind in ("random", "grouped"):
        split = split_formulas(data, observed.formulas, kind, 0.7, 0)
        parts = np.full(len(data.formula_ids), "", dtype=object)
        parts[split.train], parts[split.eval] = "train", "eval"
        ids = np.array(data.formula_ids, dtype=object)[observed.formulas]
        frame = pd.DataFrame({"formula_id": ids, "part": parts[observed.formulas], "measured": observed.values, "predicted": observed.values})
        shares[kind] = diagnosis.flattery(diagnosis.evaluated(data, frame, parts), kind)[0]
    assert shares["grouped"] == 0 < shares["random"]
