"""The fields of the Train page take no value one step outside its bound: they say why, and no training begins."""

from __future__ import annotations

from dataclasses import fields

from playwright.sync_api import Page, expect

from matrep_core.formulas.storage import save_dataset
from matrep_core.runs.store import list_runs
from matrep_core.settings import TrainingSettings
from tests.browser.serving import Served, unfold

BOUNDS = {each.name: each.metadata["bound"] for each in fields(TrainingSettings) if "bound" in each.metadata}


def test_no_field_takes_a_value_outside_its_bound(page: Page, app: Served, small_cosmetics, figures) -> None:
    dataset = save_dataset(small_cosmetics, [], app.artifacts)
    page.goto(f"{app.url}/train?data={dataset}")
    train = page.get_by_role("button", name="Train", exact=True)
    expect(train).to_be_visible()
    unfold(page, "All settings")
    field_of = page.get_by_test_id("stNumberInputField")
    expect(field_of.nth(len(BOUNDS) - 3)).to_be_visible()
    found = field_of.all()
    tried = 0
    for field in found:
        low, high, right = field.get_attribute("min"), field.get_attribute("max"), field.input_value()
        assert low is not None and high is not None
        assert any((bound.low, bound.high) == (float(low), float(high)) for bound in BOUNDS.values()) or float(low) == 1
        for value in (float(low) - 1, float(high) + 1):
            field.fill(f"{value:.0f}" if value == int(value) else repr(value))
            field.press("Tab")
            assert not field.evaluate("field => field.validity.valid") and field.evaluate("field => field.validationMessage")
            tried += 1
            train.click()
        field.fill(right)
        field.press("Tab")
    page.reload()
    expect(train).to_be_visible()
    assert list_runs(app.artifacts) == ([], [])
    figures.add(values_out_of_bounds_typed_into_the_page=tried, that_began_a_training=0)
