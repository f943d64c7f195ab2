"""Names that are markup, scripts and formulas, in every page of the real app: shown as written, never run.

Every payload is a material, an INCI name, a function, a formula and a part of the names of data sets, properties,
units and conditions at once, so that each page has all of them wherever it shows any.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import openpyxl
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect
from scipy.sparse import csr_array

from matrep_core.formulas.schema import FormulaSet, Property
from matrep_core.formulas.storage import save_dataset
from matrep_core.runs.store import Run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_ui.page import PAGES
from tests.browser.serving import Served, run_to_its_end, taken, unfold, watched_page

HIT = "window.__hit&&window.__hit"
PAYLOADS = (
    f"<script>{HIT}(1)</script>", f"<img src=x onerror={HIT}(2)>", f"<svg onload={HIT}(3)>", f"<svg><script>{HIT}(4)</script></svg>",
    "<iframe srcdoc='<script>parent.__hit(5)</script>'>", "<iframe src=javascript:parent.__hit(6)>", f"<a href=javascript:{HIT}(7)>x</a>",
    f"[x](javascript:{HIT}(8))", "![x](http://evil.example/9.png)", "[x](http://evil.example/10)", "<link rel=stylesheet href=http://evil.example/11>",
    "<style>@import 'http://evil.example/12'</style>", "<base href=http://evil.example/13/>", "<meta http-equiv=refresh content=0;url=http://evil.example/14>",
    f"<details open ontoggle={HIT}(15)>", f"<input autofocus onfocus={HIT}(16)>", f"<video><source onerror={HIT}(17)></video>",
    f"<body onload={HIT}(18)>", f"<math><mtext><img src=x onerror={HIT}(19)>", f"\"><img src=x onerror={HIT}(20)>", f"'-{HIT}(21)-'",
    f"${{{HIT}(22)}}", f"{{{{constructor.constructor('{HIT}(23)')()}}}}", "$\\href{javascript:__hit(24)}{x}$", "$$\\includegraphics{http://evil.example/25}$$",
    ":material/home: :red[x] :smile:", "datum.x); __hit(27); (", "&lt;img src=x onerror=__hit(28)&gt;", "%3Cimg%20src=x%20onerror=__hit(29)%3E",
    "\u202etxt.exe", "=HYPERLINK(\"http://evil.example/31\",\"x\")", "=cmd|'/c calc'!A0", "@SUM(1+1)*cmd|'/c calc'!A0", "+1+1", "-1+1",
    "\uff1d1+1", "x;=1+1", "=IMPORTXML(\"http://evil.example/38\",\"//a\")", "http://evil.example/39", "www.evil.example", "x" * 300,
)  # fmt: skip


def hostile_set() -> FormulaSet:
    """120 formulas of four materials each; all names are payloads."""
    random = np.random.default_rng(7)
    materials = tuple(sorted({*PAYLOADS, "water"}))
    dense = np.zeros((120, len(materials)))
    for number, row in enumerate(dense):
        chosen = np.unique([number % len(materials), *random.choice(len(materials), 3, replace=False)])
        row[chosen] = random.dirichlet(np.full(len(chosen), 2.0)) * 100
    name, unit = f"<img src=x onerror={HIT}(50)>", f"<b onmouseover={HIT}(51)>Pa"
    values = np.exp(dense @ random.normal(0, 0.02, len(materials)) + 5)
    frame = pd.DataFrame({"formula": np.arange(120), "property": name, "value": values, "unit": unit,
                          f"<img src=x onerror={HIT}(52)>": random.uniform(20, 30, 120)})  # fmt: skip
    info = pd.DataFrame({"inci": [f"{code} INCI" for code in materials], "function": [f"<i>{code[:60]}" for code in materials]})
    ids = tuple(f"{PAYLOADS[i % len(PAYLOADS)]}{i}" for i in range(120))
    return FormulaSet(f"<img src=x onerror={HIT}(53)>", ids, materials, csr_array(dense), frame, info, (Property(name, unit, "log"),))


@dataclass(frozen=True)
class Hostile:
    run: Run
    data: str


@pytest.fixture(scope="module")
def hostile(app: Served) -> Hostile:
    data = hostile_set()
    settings = from_recipe("default", property=data.properties[0].name, n_entries=3, steps=120, frames=6, members=2, blend="no", hidden_width=16)
    runs_folder(app.artifacts).mkdir(parents=True, exist_ok=True)
    for name in ("hostile", "hostile-too"):
        run = prepare(runs_folder(app.artifacts) / name, data, settings)
        assert fit(run).state == "done"
    return Hostile(run, save_dataset(data, [f"<img src=x onerror={HIT}(54)>"], app.artifacts))


@pytest.fixture
def guarded(chromium: Browser, app: Served):
    """A page that reports every script of a payload, every dialog and every request to anyone but its server."""
    with watched_page(chromium, viewport={"width": 1400, "height": 2400}, accept_downloads=True) as page:
        found: list[str] = []
        own = (app.url, app.url.replace("http", "ws"), "data:", "blob:")
        page.expose_function("__hit", lambda number=None: found.append(f"script {number}"))
        page.on("dialog", lambda dialog: (found.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: None if request.url.startswith(own) else found.append(request.url))
        page.on("popup", lambda popup: found.append(f"popup {popup.url}"))
        yield page, found


def settled(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    run_to_its_end(page)


def planted(page: Page) -> list[str]:
    """Elements of the page that only a payload can have made, in all shadow roots too."""
    return page.evaluate("""() => {
        const bad = 'script:not([src]):not([type="application/json"]),iframe[srcdoc],iframe[src^="javascript"],a[href^="javascript"],'
            + 'a[href*="evil.example"],img[src="x"],img[src*="evil.example"],link[href*="evil.example"],base[href*="evil"],meta[http-equiv="refresh"],'
            + '[onerror],[onload],[ontoggle],[onfocus],[onmouseover]';
        const found = [];
        const look = root => {
            for (const e of root.querySelectorAll(bad)) if (/__hit|evil/.test(e.outerHTML)) found.push(e.outerHTML.slice(0, 200));
            for (const e of root.querySelectorAll('*')) if (e.shadowRoot) look(e.shadowRoot);
        };
        look(document);
        return found;
    }""")


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.name)
def test_every_name_is_inert(entry, guarded, app: Served, hostile: Hostile, figures) -> None:
    page, found = guarded
    materials = [code for code in hostile.run.data.materials if "__hit(2)" in code or code.startswith("[x](java")]
    for material in materials:
        page.goto(f"{app.url}/{entry.name}?run=hostile&other=hostile-too&data={hostile.data}&material={quote(material, safe='')}")
        settled(page, entry.title)
    for tab in page.get_by_role("tab").all():
        if tab.is_visible():
            tab.click()
    for panel in page.locator("details > summary").all():
        if panel.is_visible() and panel.evaluate("summary => !summary.parentElement.open"):
            panel.click()
    for box in page.get_by_role("combobox").all()[:8]:
        if box.is_visible() and box.is_enabled():
            box.click()
            page.keyboard.press("End")
            page.keyboard.press("Escape")
    if page.locator(".matrep").count():
        surface = page.locator(".surface").first
        room = surface.bounding_box()
        assert room
        for x in np.linspace(0.1, 0.9, 6):  # the card of a point shows beside the pointer
            for y in np.linspace(0.1, 0.9, 4):
                page.mouse.move(room["x"] + x * room["width"], room["y"] + y * room["height"])
    for icon in page.get_by_test_id("stTooltipHoverTarget").all()[:12]:
        if icon.is_visible():
            icon.hover(force=True)
    settled(page, entry.title)
    effects = [*found, *planted(page)]
    figures.add(hostile_names_times_pages=len(PAYLOADS), scripts_run_or_hosts_asked=len(effects))
    assert not effects
    cells = taken_along(page)
    assert cells or entry.name in ("data", "train", "evaluate"), "the page gave nothing to take along"
    figures.add(exported_cells=len(cells), formulas_among_them=sum(map(would_run, cells)))
    assert not [cell for cell in cells if would_run(cell)]


def would_run(cell: str) -> bool:
    """Whether a spreadsheet takes the cell for a formula, also where it cuts at semicolons; a number is none."""
    if re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", cell.strip(), re.IGNORECASE):
        return False
    return any(part[:1] in ("=", "+", "-", "@", "\t", "\r") for part in (cell, *re.split(r"[;\t\r\n]", cell)[1:]))


def taken_along(page: Page) -> list[str]:
    """The cells of everything that the download buttons of the page give."""
    cells: list[str] = []
    for button in page.get_by_test_id("stDownloadButton").get_by_role("button").all():
        if not (button.is_visible() and button.is_enabled()):
            continue
        file = taken(page, button)
        name, path = file.suggested_filename, Path(file.path())
        assert re.fullmatch(r"[\w.() -]{1,160}", name), name
        if name.endswith(".csv"):
            cells += [c for row in csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")) for c in row]
        elif name.endswith(".xlsx"):
            for sheet in openpyxl.load_workbook(io.BytesIO(path.read_bytes())).worksheets:
                for row in sheet.iter_rows():
                    assert not [c for c in row if c.data_type == "f"], "a cell of the workbook is a formula"
    return cells


def test_uploads_with_hostile_names_are_shown_and_never_used(guarded, app: Served) -> None:
    page, found = guarded
    page.goto(f"{app.url}/data")
    settled(page, "Data")
    if page.locator("details").filter(has_text="Add a data set").first.get_attribute("open") is None:
        unfold(page, "Add a data set")
    names = ["../../outside.csv", "/etc/outside.csv", f"<img src=x onerror={HIT}(60)>.csv", "a\\..\\outside.csv", "=1+1.csv", "[x](http://evil.example/61).csv"]
    files = [{"name": name, "mimeType": "text/csv", "buffer": b"formula_id,material,amount\nF1,A,-1\n"} for name in names]
    page.locator("input[type=file]").first.set_input_files(files)
    read = page.get_by_role("button", name="Read the files")
    expect(read).to_be_enabled()
    read.click()
    expect(page.get_by_text("The data was refused")).to_be_visible()
    assert not found and not planted(page)
    assert not list(app.artifacts.parent.rglob("outside*")) and not Path("/etc/outside.csv").exists()
    assert not [cell for cell in taken_along(page) if would_run(cell)]
