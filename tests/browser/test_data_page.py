"""The Data page in a real browser: upload, refusal, decisions, a wide table, the generated set, deleting."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect
from matrep_core.formulas.octane import octane_path
from tests.browser.serving import Served, run_to_its_end, taken, unfold

SHAMPOO = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "shampoo"
HOSTILE = "PEG-8 *dist* <img src=x onerror=alert(1)>"
FORMULAS = f"formula_id,material,amount\nF1,{HOSTILE},40\nF1,00123,60\nF2,00123,100\n"
PROPERTIES = "formula_id,property,value,unit\nF1,viscosity,12.5,mPa·s\nF2,viscosity,900,mPa·s\n"


def payload(name: str, text: str) -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode()}


def open_data(page: Page, app: Served, address: str = "/data") -> None:
    page.goto(app.url + address)
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible()
    panel = page.get_by_role("tab", name="Upload your own")
    expect(page.get_by_text("Add a data set")).to_be_visible()
    # The panel shows a moment after its frame: asking for its visibility would close it where it was about to open.
    if page.locator("details").filter(has_text="Add a data set").first.get_attribute("open") is None:
        unfold(page, "Add a data set")
    expect(panel).to_be_visible()


def upload(page: Page, *files: FilePayload | Path, name: str = "") -> None:
    page.locator("input[type=file]").first.set_input_files(list(files))  # type: ignore[arg-type]
    if name:
        page.get_by_label("Name of the data set").fill(name)
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Read the files")).to_be_enabled()
    run_to_its_end(page)  # each file runs the page once more, and a click meanwhile is lost


def expect_counts(page: Page, **counts: str) -> None:
    """The numbers that the page shows of the chosen set, once it shows them."""
    for label, count in counts.items():
        shown = page.get_by_test_id("stMetric").filter(has_text=re.compile(f"^{label}"))
        expect(shown.get_by_test_id("stMetricValue")).to_have_text(count)


def test_faults_are_listed_and_can_be_taken_along(page: Page, app: Served) -> None:
    open_data(page, app)
    bad = FORMULAS + "F3,=1+1,-5\nF4,00123,99.4\n"
    upload(
        page,
        payload("../../etc/März <b>.csv", bad),
        payload("properties.csv", PROPERTIES + "F9,viscosity,n.d.,mPa·s\n"),
    )
    page.get_by_role("button", name="Read the files").click()
    expect(page.get_by_text("The data was refused: 4 places to mend.")).to_be_visible()
    download = taken(page, page.get_by_role("button", name="Download this list"))
    rows = list(csv.DictReader(io.StringIO(Path(download.path()).read_text("utf-8-sig"))))
    assert [(row["file"], row["row"], row["column"]) for row in rows] == [
        ("März <b>.csv", "5", "amount"), ("März <b>.csv", "6", "amount"),
        ("properties.csv", "4", "formula_id"), ("properties.csv", "4", "value"),
    ]  # fmt: skip
    assert all(row["problem"] and row["mend"] for row in rows)
    assert not (app.artifacts / "datasets").exists()


def test_an_upload_is_read_kept_in_the_address_and_seen(page: Page, app: Served) -> None:
    open_data(page, app)
    upload(page, payload("formulas.csv", FORMULAS), payload("properties.csv", PROPERTIES), name="My <b>set</b>")
    page.get_by_role("button", name="Read the files").click()
    expect(page).to_have_url(re.compile(r"[?&]data=my-b-set-b-[0-9a-f]{12}"))
    expect(page.get_by_text("How it was read: 3 decisions")).to_be_visible()
    expect_counts(page, Formulas="2", Materials="2", Amounts="3", Properties="1", Measurements="2")
    (folder,) = (app.artifacts / "datasets").iterdir()
    assert folder.name in page.url
    for tab in ("Use of materials", "Materials", "Formulas", "Properties"):
        page.get_by_role("tab", name=tab, exact=True).click()
    expect(page.get_by_test_id("stVegaLiteChart").filter(visible=True)).to_have_count(1)
    unfold(page, "How it was read")
    decision = "• formulas.csv: 3 rows; UTF-8, comma between cells, numbers without decimals."
    expect(page.get_by_text(decision)).to_be_visible()

    page.get_by_role("tab", name="Formulas", exact=True).click()
    table = page.get_by_test_id("stDataFrame").filter(visible=True).locator(".dvn-scroller")
    table.click(position={"x": 18, "y": 52})  # the box that ticks the first row
    expect(page.get_by_text("Formula F1", exact=True)).to_be_visible()

    page.reload()
    expect(page.get_by_text("How it was read: 3 decisions")).to_be_visible()
    page.get_by_role("link", name="Train a model on it").click()
    expect(page).to_have_url(re.compile(r"/train\?.*data=my-b-set-b-"))


def test_a_wide_table_asks_for_its_properties(page: Page, app: Served) -> None:
    open_data(page, app)
    upload(
        page,
        payload("wide.csv", "id;Aqua;Glycerin;viscosity [mPa·s];temperature\nF1;40,5;59,5;12,5;25\nF2;100;;900;30\n"),
    )
    expect(page.get_by_text("This is a wide table")).to_be_visible()
    for label, column in (("Properties", "viscosity [mPa·s]"), ("Conditions", "temperature")):
        page.get_by_label(label, exact=False).and_(page.get_by_role("combobox")).click()
        page.get_by_role("option", name=column).click()
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Read the files").click()
    expect(page).to_have_url(re.compile(r"[?&]data=wide-[0-9a-f]{12}"))
    expect(page.get_by_text("How it was read", exact=False)).to_be_visible()
    expect_counts(page, Formulas="2", Materials="2", Amounts="3")


def test_a_formula_set_that_needs_a_filler_is_completed_when_chosen(page: Page, app: Served) -> None:
    open_data(page, app)
    upload(
        page,
        payload("short.csv", "formula_id,material,amount\nF1,A,40\n"),
        payload("p.csv", PROPERTIES.replace("F2", "F1")),
    )
    unfold(page, "How to read them")
    page.get_by_text("complete those below 100 with a material").click()
    page.get_by_label("Material that completes them").fill("Water")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Read the files").click()
    expect(page).to_have_url(re.compile(r"[?&]data=short-p-[0-9a-f]{12}"))
    expect(page.get_by_text("How it was read", exact=False)).to_be_visible()
    expect_counts(page, Formulas="1", Materials="2")


def test_the_shampoo_set_is_uploaded(page: Page, app: Served) -> None:
    if not SHAMPOO.is_dir():
        pytest.skip("the real sets are not beside the project")
    open_data(page, app)
    upload(page, *(SHAMPOO / f"{name}.csv" for name in ("formulas", "properties", "materials")), name="Shampoo")
    page.get_by_role("button", name="Read the files").click()
    expect(page).to_have_url(re.compile(r"[?&]data=shampoo-"))
    expect(page.get_by_text("How it was read", exact=False)).to_be_visible()
    expect_counts(page, Formulas="822", Materials="19", Amounts="4,109")


def test_the_generated_set_is_made_chosen_again_and_deleted(page: Page, app: Served) -> None:
    open_data(page, app)
    page.get_by_role("tab", name="Generated cosmetics").click()
    page.get_by_role("button", name="Generate").click()
    expect(page).to_have_url(re.compile(r"[?&]data=generated-cosmetics"))
    expect(page.get_by_text("How it was read: 1 decision")).to_be_visible()
    expect_counts(page, Formulas="1,745", Materials="5,485")
    made = re.search(r"data=([a-z0-9-]+)", page.url)
    assert made is not None and (app.artifacts / "datasets" / made[1]).is_dir()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page).not_to_have_url(re.compile(made[1]))
    assert not (app.artifacts / "datasets" / made[1]).exists()


def test_the_octane_set_is_loaded_or_says_how_to_install_it(page: Page, app: Served) -> None:
    open_data(page, app)
    page.get_by_role("tab", name="Octane numbers").click()
    expect(page.get_by_text("doi:10.1038/s41524-025-01552-2")).to_be_visible()
    if octane_path() is None:
        expect(page.get_by_text("pip install -r requirements-octane.txt")).to_be_visible()
        return
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page).to_have_url(re.compile(r"[?&]data=motor-octane-numbers-"))
    expect(page.get_by_text("How it was read: 1 decision")).to_be_visible()
    expect_counts(page, Formulas="722", Materials="423", Measurements="722")


def test_an_unknown_data_set_in_the_address_gives_a_sentence(page: Page, app: Served) -> None:
    for wanted in ("nothing", "../../etc/passwd", "%3Cb%3Ex"):
        open_data(page, app, f"/data?data={wanted}")
        expect(page.get_by_text("There is no data set")).to_be_visible()
        expect(page.get_by_text("Add a data set")).to_be_visible()
