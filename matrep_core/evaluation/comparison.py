"""Who is better, by how much, and whether that is noise: paired over the splits that both predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SURE = 0.95  # of the interval


@dataclass(frozen=True)
class Comparison:
    """Two predictors on the same splits; errors are means over the splits, in ``unit``, lower is better.

    difference = ours − theirs; ``low`` to ``high`` is its 95 % interval, None for fewer than two splits.
    """

    ours: str
    theirs: str
    our_error: float
    their_error: float
    difference: float
    low: float | None
    high: float | None
    wins: int  # splits on which ours has the lower error
    splits: int

    @property
    def verdict(self) -> str:
        """"better", "worse", "noise" (the interval holds 0), or "unknown" for one split alone."""
        if self.low is None or self.high is None:
            return "unknown"
        return "better" if self.high < 0 else "worse" if self.low > 0 else "noise"


def compare(ours: str, our_errors: np.ndarray, theirs: str, their_errors: np.ndarray, eval_share: float) -> Comparison:
    """Compare two rows of errors (S,), one a split, of formulas of which ``eval_share`` evaluates and the rest trains.

    Splits of one data set share formulas, so that the plain t interval is far too narrow; this is the corrected
    resampled t of Nadeau & Bengio (2003, Machine Learning 52:239), whose variance counts
    1/S + n_eval/n_train instead of 1/S. Raises ValueError where the rows differ in length or are empty.
    """
    mine, other = (np.asarray(row, np.float64) for row in (our_errors, their_errors))
    if mine.shape != other.shape or mine.ndim != 1 or not len(mine):
        raise ValueError("compare needs two rows of errors over the same splits")
    each = mine - other
    low = high = None
    if len(each) > 1:
        from scipy.special import stdtrit

        noise = np.sqrt((1 / len(each) + eval_share / (1 - eval_share)) * each.var(ddof=1))
        reach = float(stdtrit(len(each) - 1, 0.5 + SURE / 2) * noise)
        low, high = float(each.mean()) - reach, float(each.mean()) + reach
    return Comparison(
        ours, theirs, float(mine.mean()), float(other.mean()), float(each.mean()), low, high, int((each < 0).sum()), len(each)
    )


def in_words(found: Comparison, property_name: str, unit: str) -> str:
    """The comparison as the sentence that a page begins with."""

    def shown(value: float) -> str:
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"

    unit = f" {unit}" if unit else ""
    share = abs(found.difference) / found.their_error if found.their_error else 0.0
    errors = f"mean absolute error of {property_name} {shown(found.our_error)} against {shown(found.their_error)}{unit}"
    if found.low is None or found.high is None:
        word = "lower" if found.difference < 0 else "higher"
        return (
            f"On one split the error of {found.ours} is {share:.0%} {word} than that of {found.theirs} ({errors}). "
            "One split cannot tell a difference from noise; add splits."
        )
    paired = (
        f"{errors}; paired over {found.splits} splits, the 95 % interval of the difference is "
        f"{shown(found.low)} to {shown(found.high)}{unit}"
    )
    if found.verdict == "better":
        words = f"{found.ours} wins: its error is {share:.0%} lower than that of {found.theirs}, which is more than noise ({paired})."
    elif found.verdict == "worse":
        words = f"{found.theirs} wins: the error of {found.ours} is {share:.0%} higher, which is more than noise ({paired})."
    else:
        leads = found.ours if found.difference < 0 else found.theirs
        words = f"{found.ours} and {found.theirs} cannot be told apart: {leads} leads by {share:.0%}, which is within the noise ({paired})."
    return "T" + words[1:] if words.startswith("the ") else words  # kNN keeps its small k
