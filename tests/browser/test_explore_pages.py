"""Materials and Similar on runs that were trained for it, in the real app and a real browser."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pandas as pd
import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect
from scipy.sparse import csr_array

from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.schema import FormulaSet, Property
from matrep_core.runs.store import Run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.similarity.evidence import similarity_of
from matrep_core.similarity.groups import group_neighbours
from matrep_core.training import fit, prepare
from matrep_core.views.clustering import kmeans
from matrep_core.views.neighbours import shared_formulas
from tests.browser.serving import Served, run_to_its_end, taken, unfold

HOSTILE = (
    '=HYPERLINK("http://example.org","x")',
    "PEG-8 *dist* _or_ **bold** `code` :smile: $a^2$ [link](http://example.org) -> --",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "www.example.org :material/home: :red[text]",
    "مادة خام 12",
    "글리세린 🧴",
    "-1+1",
    "x" * 300,
)


def hostile_set() -> FormulaSet:
    """Sixty formulas of three materials each, whose codes and names try to be something else."""
    random = np.random.default_rng(7)
    materials = tuple(sorted([*HOSTILE, "water", "salt"]))
    dense = np.zeros((60, len(materials)))
    for row in dense:
        chosen = random.choice(len(materials), 3, replace=False)
        row[chosen] = random.dirichlet([2, 2, 2]) * 100
    values = np.exp(dense @ random.normal(0, 0.02, len(materials)) + 5)
    measurements = pd.DataFrame(
        {"formula": np.arange(60), "property": "viscosity", "value": values, "unit": "mPa·s"}
    )
    info = pd.DataFrame({"inci": [f"{code} INCI" for code in materials]})
    info["function"] = ["<b>oil</b>", "*salt*"] * (len(materials) // 2)
    ids = tuple(f"=F{i}" for i in range(60))
    prop = Property("viscosity", "mPa·s", "log")
    return FormulaSet("hostile", ids, materials, csr_array(dense), measurements, info, (prop,))


@dataclass(frozen=True)
class Trained:
    cosmetics: Run
    plane: Run
    hostile: Run


@pytest.fixture(scope="module")
def trained(app: Served) -> Trained:
    small = generate_cosmetics(formulas=160, materials=600).data

    def train(name: str, data: FormulaSet, entries: int) -> Run:
        settings = from_recipe("default", property="viscosity", n_entries=entries, steps=300, frames=12)
        run = prepare(runs_folder(app.artifacts) / name, data, settings)
        assert fit(run).state == "done"
        return run

    return Trained(train("cosmetics", small, 5), train("plane", small, 2), train("hostile", hostile_set(), 3))


def address_of(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def open_map(page: Page, app: Served, query: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 1300})
    page.goto(f"{app.url}/materials?{query}")
    expect(page.locator(".matrep")).to_have_attribute("data-drawn", re.compile(r"\d+"))


def search(page: Page, text: str) -> None:
    """Choose the first found in the viewer's own search, which brings the point to the middle."""
    page.locator(".search-input").fill(text)
    page.locator(".search-input").press("Enter")
    page.locator(".search-input").fill("")
    page.locator(".search-input").press("Escape")


def download(page: Page) -> list[list[str]]:
    file = taken(page, page.get_by_role("button", name="Export as CSV"))
    content = file.path().read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content, newline="")))


def often_used(run: Run) -> int:
    return int(np.argmax(run.support))


def test_a_point_leads_to_its_neighbours(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    query = often_used(run)
    code = run.data.materials[query]
    open_map(page, app, "run=cosmetics")
    search(page, code)
    expect(page).to_have_url(re.compile(f"material={quote(code)}"))
    panel = page.get_by_test_id("stMain")
    expect(panel.get_by_role("heading", name=code, exact=True)).to_be_visible()
    expect(panel.get_by_text(f"training formulas: {run.support[query]:,}")).to_be_visible()

    page.get_by_text("Clear", exact=True).click()
    expect(page).not_to_have_url(re.compile("material="))
    page.locator(".surface").scroll_into_view_if_needed()  # the button below the map may have moved the page
    box = page.locator(".surface").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page).to_have_url(re.compile("material="))
    chosen = address_of(page)["material"]
    expect(panel.get_by_role("heading", name=chosen, exact=True)).to_be_visible()

    page.get_by_role("link", name="Similar materials").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Similar")
    assert address_of(page) == {"run": "cosmetics", "material": chosen}
    found = similarity_of(run).neighbours(run.data.material_index[chosen], 20, among=run.support > 0)
    header, *rows = download(page)
    assert [row[0] for row in rows] == [run.data.materials[i] for i in found.indices]
    np.testing.assert_allclose([float(row[header.index("distance")]) for row in rows], found.distances)
    support = [int(row[header.index("support (training formulas)")]) for row in rows]
    assert support == run.support[found.indices].tolist()
    assert {"same function", "models that name it", "swap changes viscosity by (%)", "likeness of the two formulas"} <= set(header)


def test_the_ranking_the_metric_and_untrained_materials_are_chosen_on_the_page(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    query = often_used(run)
    page.goto(f"{app.url}/similar?run=cosmetics&material={quote(run.data.materials[query])}")
    expect(page.get_by_text("A ranking is evidence, not proof.")).to_be_visible()
    expect(page.get_by_text("All evidence: in what amounts and with which partners")).to_be_visible()
    page.get_by_text("Learned vectors", exact=True).click()
    expect(page.get_by_text("Learned vectors: the distance between the vectors that the models learned")).to_be_visible()
    expect(page).to_have_url(re.compile("by=code"))
    page.get_by_text("euclidean", exact=True).click()
    expect(page.get_by_text(re.compile("nearest of the trained materials by euclidean distance"))).to_be_visible()
    page.get_by_label("Neighbours", exact=True).fill("400")
    page.get_by_label("Neighbours", exact=True).press("Enter")
    expect(page.get_by_text(re.compile(r"The (?!20 )\d+ nearest of the trained materials"))).to_be_visible()
    page.get_by_text("Also name materials that never trained").click()
    expected = similarity_of(run).neighbours(query, 400, "code", "euclidean")
    assert (run.support == 0).any()

    expect(page.get_by_text("The 400 nearest of all materials by euclidean distance")).to_be_visible()
    header, *rows = download(page)
    assert [row[0] for row in rows] == [run.data.materials[i] for i in expected.indices]
    cautions = {row[0]: row[header.index("caution")] for row in rows}
    for index in expected.indices:
        support, caution = run.support[index], cautions[run.data.materials[index]]
        assert caution == ("never trained" if support == 0 else "" if support > 2 else caution)
        assert (support in (1, 2)) == caution.startswith("rare")


def test_rare_materials_can_be_left_out(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    query = often_used(run)
    page.goto(f"{app.url}/similar?run=cosmetics&material={quote(run.data.materials[query])}")
    page.get_by_role("spinbutton", name=re.compile("In at least so many formulas")).fill("5")
    page.get_by_role("spinbutton", name=re.compile("In at least so many formulas")).press("Enter")
    expect(page.get_by_text(re.compile("of the materials in at least 5 training formulas"))).to_be_visible()
    expected = similarity_of(run).neighbours(query, 20, among=run.support >= 5)
    assert [row[0] for row in download(page)[1:]] == [run.data.materials[i] for i in expected.indices]


def test_the_list_leaves_as_a_workbook_and_as_parquet_too(page: Page, app: Served, trained: Trained) -> None:
    run = trained.hostile
    page.goto(f"{app.url}/similar?run=hostile&material=water")
    file = taken(page, page.get_by_role("button", name="Excel"))
    sheet = load_workbook(io.BytesIO(file.path().read_bytes())).active
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.value for cell in sheet["A"][1:]} == set(run.data.materials) - {"water"}
    assert not [cell.value for cell in cells if cell.data_type == "f"]
    file = taken(page, page.get_by_role("button", name="Parquet"))
    table = pd.read_parquet(io.BytesIO(file.path().read_bytes()))
    assert set(table["material"]) == set(run.data.materials) - {"water"}


def test_a_material_is_found_by_a_misspelt_name_with_the_keyboard_alone(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    query = often_used(run)
    code, name = run.data.materials[query], run.data.material_info["inci"].iloc[query]
    page.goto(f"{app.url}/similar?run=cosmetics")
    field = page.get_by_role("textbox", name=re.compile("Find by code"))
    expect(field).to_be_visible()
    field.focus()
    page.keyboard.type(name[:-2] + name[-1])  # one letter is missing
    page.keyboard.press("Enter")
    hit = page.get_by_role("button", name=re.compile(re.escape(code)))
    expect(hit).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        if hit.evaluate("button => document.activeElement === button"):
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"material={quote(code)}"))
    expect(page.get_by_test_id("stMain").get_by_role("heading", name=code, exact=True)).to_be_visible()


def test_two_spaces_a_pasted_group_a_way_and_singular_materials(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    query = often_used(run)
    often = [run.data.materials[i] for i in np.argsort(-run.support)[:8]]
    page.goto(f"{app.url}/similar?run=cosmetics&material={quote(run.data.materials[query])}&view=spaces")
    expect(page.get_by_role("heading", name="Where they disagree")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(4)

    page.get_by_text("Group or pasted list", exact=True).click()
    expect(page).to_have_url(re.compile("view=group"))
    page.get_by_role("textbox", name=re.compile("Codes, INCI names")).fill("\n".join([*often[1:4], "nobody"]))
    page.get_by_role("textbox", name=re.compile("Codes, INCI names")).press("Control+Enter")
    expect(page.get_by_text("Not known, or not of one material alone: nobody")).to_be_visible()
    expect(page.get_by_text("Near to 4 materials together")).to_be_visible()
    group = [run.data.material_index[code] for code in (often[0], *often[1:4])]
    found = group_neighbours(similarity_of(run), group, 20, run.support > 0)
    assert [row[0] for row in download(page)[1:]] == [run.data.materials[i] for i in found.indices]

    page.get_by_text("Way to another", exact=True).click()
    expect(page.get_by_text("Choose a second material")).to_be_visible()
    page.get_by_role("combobox", name=re.compile("Way to")).fill(often[6])
    page.get_by_role("option", name=re.compile(rf"^{often[6]}\b")).first.click()
    expect(page.get_by_text(re.compile(r"\d+ steps over materials of at least 3"))).to_be_visible()
    rows = download(page)[1:]
    assert (rows[0][0], rows[-1][0]) == (often[0], often[6])

    page.get_by_text("Near nothing, near everything", exact=True).click()
    expect(page.get_by_role("heading", name="Near everything")).to_be_visible()


def test_a_chosen_neighbour_shows_the_formulas_with_both(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    query = often_used(run)
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.goto(f"{app.url}/similar?run=cosmetics&material={quote(run.data.materials[query])}")
    other = int(similarity_of(run).neighbours(query, 20, among=run.support > 0).indices[0])
    table = page.get_by_test_id("stDataFrame").first
    expect(table.locator("canvas").first).to_be_visible()
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 16, box["y"] + 35 + 17)
    both = len(shared_formulas(run.data, query, other))
    expect(page.get_by_role("heading", name="Formulas side by side")).to_be_visible()
    expect(page.get_by_text(f"{run.data.materials[query]} and {run.data.materials[other]}")).to_be_visible()
    expect(page.get_by_text(f"both ({both})")).to_be_visible()
    page.get_by_role("button", name="Neighbours of the chosen one").click()
    expect(page).to_have_url(re.compile(f"material={quote(run.data.materials[other])}$"))


BAD_ADDRESSES = {
    "similar?run=nobody": "There is no run 'nobody'.",
    "materials?run=../../etc/passwd": "There is no run '../../etc/passwd'.",
    "similar?run=cosmetics&step=77777": "keeps no vectors of step '77777'",
    "materials?run=cosmetics&step=NaN": "keeps no vectors of step 'NaN'",
    "similar?run=cosmetics&material=*nobody*": "There is no material '*nobody*' in this run.",
    "materials?run=cosmetics&material=%3Cb%3Ex": "There is no material '<b>x'",
    f"similar?run={'x' * 3000}": "There is no run 'xxx",
}


def test_a_bad_id_in_the_address_gives_a_sentence(page: Page, app: Served, trained: Trained) -> None:
    for address, sentence in BAD_ADDRESSES.items():
        page.goto(f"{app.url}/{address}")
        expect(page.get_by_test_id("stAlert").filter(has_text=sentence)).to_be_visible()


def test_run_and_step_live_in_the_address(page: Page, app: Served, trained: Trained) -> None:
    steps = trained.cosmetics.frame_steps()
    open_map(page, app, f"run=cosmetics&step={steps[1]}")
    step = page.get_by_role("combobox", name=re.compile("Training step"))
    expect(step).to_have_value(f"{steps[1]}")
    step.click()
    page.get_by_role("option", name=f"{trained.cosmetics.kept_step} (kept)").click()
    expect(page).to_have_url(re.compile(f"step={trained.cosmetics.kept_step}$"))
    page.get_by_role("combobox", name=re.compile("Run")).click()
    page.get_by_role("option", name=re.compile("N_entries 2 ")).click()
    expect(page).to_have_url(re.compile(r"/materials\?run=plane(&n=\d+)?$"))
    expect(page.get_by_text("This picture loses nothing")).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Similar").click()
    expect(page).to_have_url(re.compile(r"/similar\?run=plane$"))  # the run last looked at


def test_a_row_of_the_clusters_selects_them_on_the_map_and_fills_the_basket(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    page.set_viewport_size({"width": 1400, "height": 2400})
    page.goto(f"{app.url}/materials?run=cosmetics&n=4")
    expect(page.locator(".matrep")).to_have_attribute("data-drawn", re.compile(r"\d+"))
    labels = kmeans(run.vectors(), run.support > 0, 4)
    table = page.get_by_test_id("stDataFrame").last
    expect(table.locator("canvas").first).to_be_visible()
    expect(page.locator("[class*='st-key-card-of-cluster']")).to_have_count(4)
    run_to_its_end(page)
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 16, box["y"] + 35 + 17)
    size = int((labels == 0).sum())
    put = page.get_by_role("button", name=f"Put the {size:,} selected into the basket")
    expect(put).to_be_visible()
    put.click()
    unfold(page, f"Basket ({size:,})")
    expect(page.get_by_role("button", name="Empty the basket")).to_be_visible()
    file = taken(page, page.locator(".st-key-basket-csv").get_by_role("button"))
    rows = list(csv.reader(io.StringIO(file.path().read_bytes().decode("utf-8-sig"), newline="")))[1:]
    assert {row[0] for row in rows} == {run.data.materials[i] for i in np.flatnonzero(labels == 0)}
    page.get_by_role("button", name="Empty the basket").click()
    expect(page.get_by_text("Basket (0)")).to_be_visible()


def test_the_map_chooses_rows_and_cards_and_a_card_selects_on_the_map(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    labels = kmeans(run.vectors(), run.support > 0, 4)
    code = run.data.materials[often_used(run)]
    mine = int(labels[often_used(run)])
    open_map(page, app, "run=cosmetics&n=4")
    search(page, code)
    cards = page.locator("[class*='st-key-card-of-cluster']")
    expect(cards.first).to_contain_text(f"Cluster {mine + 1}")  # the card of what is selected comes first
    expect(cards.first).to_contain_text("1 of them selected")
    expect(cards).to_have_count(4)
    middle = re.compile(r"materials?.*centre: \w+.*1 weight-% more changes viscosity by [+-][\d,.]+ %.*Formulas that hold the most of it", re.DOTALL)
    expect(cards.nth(1)).to_contain_text(middle)
    other = cards.nth(1)
    number = int(re.search(r"Cluster (\d)", other.inner_text()).group(1)) - 1  # type: ignore[union-attr]
    other.get_by_role("button", name="On the map").click()
    size = int((labels == number).sum())
    expect(page.locator(".matrep")).to_have_attribute("data-selected-count", str(size))
    expect(cards.first).to_contain_text(f"{size:,} materials, {size:,} of them selected")
    # the table shows what the map chose: its first column of boxes has one ticked row
    ticked = page.get_by_test_id("stDataFrame").last.locator("[role=row][aria-selected=true]")
    expect(ticked).to_have_count(1)
    expect(ticked.locator("[role=gridcell]").filter(has_text=re.compile(f"^{number + 1}$")).first).to_be_attached()


def test_a_selection_and_the_basket_come_back_by_the_address_unless_they_are_long(page: Page, app: Served, trained: Trained) -> None:
    run = trained.cosmetics
    chosen = [run.data.materials[i] for i in np.argsort(-run.support)[:3]]
    stored = quote(json.dumps(chosen, separators=(",", ":")))
    open_map(page, app, f"run=cosmetics&selected={stored}&basket={stored}")
    expect(page.locator(".matrep")).to_have_attribute("data-selected", " ".join(chosen))
    expect(page.get_by_text("Basket (3)")).to_be_visible()
    page.get_by_role("button", name="Put the 3 selected into the basket").click()
    unfold(page, "Basket (3)")
    page.get_by_role("button", name="Empty the basket").click()
    expect(page).not_to_have_url(re.compile("basket="))
    page.locator("[class*='st-key-card-of-cluster']").first.get_by_role("button", name="On the map").click()
    expect(page.get_by_text(re.compile(r"selected materials are too many for the address of the page"))).to_be_visible()
    expect(page).not_to_have_url(re.compile("selected="))
    page.goto(f"{app.url}/materials?run=cosmetics&selected=%5B1,%7B&basket=nonsense")
    expect(page.locator(".matrep")).to_be_visible()


def test_a_filter_is_bookmarked(page: Page, app: Served, trained: Trained) -> None:
    data = trained.cosmetics.data
    functions = data.material_info["function"]
    oils = int((functions == "emollient").sum())
    stored = quote(json.dumps({"function": ["emollient"]}))
    open_map(page, app, f"run=cosmetics&filter={stored}")
    expect(page.get_by_text(f"{oils} of 600 materials pass.")).to_be_visible()
    page.goto(f"{app.url}/materials?run=cosmetics&filter=%7Bnonsense")
    expect(page.locator(".matrep")).to_be_visible()


def test_the_panel_goes_below_the_map_where_both_would_be_cramped(page: Page, app: Served, trained: Trained) -> None:
    open_map(page, app, "run=cosmetics")
    map_box, panel = page.locator(".matrep"), page.get_by_text("Click a point, or search for a code")
    for width, below in ((1000, True), (1500, False)):
        page.set_viewport_size({"width": width, "height": 1300})
        for _ in range(40):
            first, second = map_box.bounding_box(), panel.bounding_box()
            assert first and second
            if (second["y"] > first["y"] + first["height"]) == below:
                break
            page.wait_for_timeout(250)
        assert (second["y"] > first["y"] + first["height"]) == below
        assert first["width"] >= 450
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_clusters_and_pictures_are_told_in_words(page: Page, app: Served, trained: Trained) -> None:
    open_map(page, app, "run=cosmetics")
    expect(page.get_by_text(re.compile("picture: of a material's 10 nearest in the original space"))).to_be_visible()
    expect(page.get_by_text("KMeans always cuts into the number you choose")).to_be_visible()
    page.get_by_text("HDBSCAN", exact=True).click()
    expect(page.get_by_text(re.compile(r"HDBSCAN finds \d+ dense groups"))).to_be_visible()
    page.get_by_text("UMAP", exact=True).click()
    expect(page.get_by_text("Computing the UMAP layout")).to_be_visible()
    expect(page.get_by_text("Computing the UMAP layout")).to_have_count(0, timeout=180_000)
    assert len(list((app.artifacts / "cache").glob("*.safetensors"))) == 1
    expect(page.locator(".matrep")).to_be_visible()
    page.get_by_text("Entries", exact=True).click()
    untrained = int((trained.cosmetics.support == 0).sum())
    expect(page.get_by_text(f"{untrained} hollow points are in no training formula")).to_be_visible()


def test_hostile_names_are_shown_as_written(page: Page, app: Served, trained: Trained) -> None:
    for name, code in [*(("similar", code) for code in HOSTILE), ("materials", HOSTILE[1])]:
        page.goto(f"{app.url}/{name}?run=hostile&material={quote(code, safe='')}")
        heading = page.get_by_test_id("stMain").get_by_role("heading", level=3)
        expect(heading.first).to_be_visible()
        shown = [text.replace("\N{WORD JOINER}", "") for text in heading.all_inner_texts()]
        assert code in shown
        assert heading.locator("a, img, script, em, strong, code, svg").count() == 0


def test_no_exported_cell_becomes_a_formula(page: Page, app: Served, trained: Trained) -> None:
    page.goto(f"{app.url}/similar?run=hostile&material=water")
    header, *rows = download(page)
    codes = {row[0] for row in rows}
    assert codes == {"'" + code if code[0] in "=-" else code for code in trained.hostile.data.materials} - {"water"}
    texts = [cell for row in rows for cell in row if not re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?", cell)]
    assert texts and not [cell for cell in texts if cell[:1] in tuple("=+-@\t\r")]
