"""Numbers in sentences: rounded, with their unit, and never in powers of ten."""

from __future__ import annotations

import pytest

from matrep_core.wording import give_or_take, measured, signed


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(12059.6, "mPa·s", "12,060 mPa·s"), (0.23114, "", "0.2311"), (107.68, "s", "107.7 s"), (0, "N", "0 N"), (1000, "", "1,000"), (float("nan"), "s", "unknown")],
)
def test_values_are_written_out_to_four_digits(value, unit, shown):
    assert measured(value, unit) == shown


@pytest.mark.parametrize(("change", "shown"), [(1093.4, "+1,093 %"), (-0.5149, "-0.51 %"), (16.2, "+16 %"), (float("inf"), "unknown")])
def test_changes_have_a_sign(change, shown):
    assert signed(change, "%") == shown


def test_a_spread_has_none():
    assert give_or_take(-271.3) == "± 271" and give_or_take(0.58, "mPa·s") == "± 0.58 mPa·s"
