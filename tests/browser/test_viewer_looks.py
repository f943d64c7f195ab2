"""The viewer in real Chromium: ways to look, neighbours, marks, two runs side by side, and what can be taken away."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.serving import Served, Traffic, watched_page
from tests.browser.test_viewer import HERE, bring_to_middle, drag, middle_of, open_view, python_says, saved
from tests.browser.viewer_app import made_up

LOOKS = "points=400&frames=30&dims=6&projections=yes"


@pytest.fixture(scope="module")
def viewer(chromium: Browser, serve: Callable[[Path], AbstractContextManager[Served]]) -> Iterator[Served]:
    with serve(HERE / "viewer_app.py") as served:
        yield served


def choose_projection(page: Page, name: str) -> None:
    page.locator("[data-choice=projection] select").select_option(name)


def focus_track(page: Page) -> None:
    page.locator(".track:visible").focus()


def test_projections_switch_without_sending_and_keep_camera_selection_and_step(page: Page, viewer: Served) -> None:
    traffic = Traffic(page)
    root = open_view(page, viewer, LOOKS)
    bring_to_middle(page, 17)
    focus_track(page)
    page.keyboard.press("PageUp")
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    step = str(root.get_attribute("data-step"))
    expect(python_says(page)).to_contain_text(f"step {step}")
    camera = str(root.get_attribute("data-view"))
    traffic.forget()
    choose_projection(page, "PCA")
    expect(root).to_have_attribute("data-projection", "PCA")
    expect(page.locator(".look-note")).to_have_text("One basis for all steps, from the last.")
    expect(python_says(page)).to_contain_text("PCA on (0, 1)")
    assert sum(traffic.received) < 10_000, "both projections were there already"
    other = str(root.get_attribute("data-view"))
    assert other != camera
    for name, value in [("step", step), ("selected", "RM-00017")]:
        expect(root).to_have_attribute(f"data-{name}", value)
    choose_projection(page, "Entries")
    expect(root).to_have_attribute("data-view", camera)
    choose_projection(page, "PCA")
    expect(root).to_have_attribute("data-view", other)
    page.get_by_role("button", name="3D").click()
    expect(root).to_have_attribute("data-axes", "0 1 2")
    page.locator(".choice select").nth(3).select_option(label="PC 6")
    expect(root).to_have_attribute("data-axes", "0 1 5")
    x, y = middle_of(page)
    drag(page, [(x, y), (x + 60, y + 20)])
    turned = str(root.get_attribute("data-view"))
    choose_projection(page, "UMAP")
    expect(root).to_have_attribute("data-axes", "0 1")  # it has no third
    choose_projection(page, "PCA")
    expect(root).to_have_attribute("data-view", turned)


def test_a_projection_that_is_not_here_is_asked_for_once(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, LOOKS)
    choose_projection(page, "UMAP, 3 axes")
    expect(root).to_have_attribute("data-projection", "UMAP, 3 axes")
    expect(page.locator(".fetching")).to_be_hidden()
    expect(python_says(page)).to_contain_text("UMAP, 3 axes")


def test_the_tour_turns_through_all_axes_and_holds(page: Page, viewer: Served) -> None:
    traffic = Traffic(page)
    root = open_view(page, viewer, LOOKS)
    page.get_by_role("button", name="Tour").click()
    expect(root).to_have_attribute("data-tour", re.compile(r"\|"))
    traffic.forget()
    page.wait_for_timeout(600)
    page.get_by_role("button", name="Hold").click()
    held = str(root.get_attribute("data-tour"))
    page.wait_for_timeout(200)
    assert root.get_attribute("data-tour") == held and traffic.sent == []
    basis = np.array([[float(v) for v in row.split()] for row in held.split("|")])
    assert basis.shape == (2, 6) and np.allclose(basis @ basis.T, np.eye(2), atol=0.01)
    assert np.abs(basis[:, 2:]).max() > 0.01  # further axes have come in
    bring_to_middle(page, 17)  # picking works on the mixture that is drawn
    page.locator(".clear").click()
    page.mouse.click(*middle_of(page))
    expect(root).to_have_attribute("data-selected", re.compile("RM-"))
    page.get_by_role("button", name="Back to axes").click()
    expect(root).not_to_have_attribute("data-tour", re.compile("."))


def test_the_card_lists_true_neighbours_and_since_when(page: Page, viewer: Served) -> None:
    open_view(page, viewer, f"{LOOKS}&material=RM-00017")
    payload = made_up(400, 30, 6, 5, False, 30, False, True)
    frames = payload.frames.astype(np.int64)

    def nearest(t: int) -> list[int]:
        far = ((frames[t] - frames[t, 17]) ** 2).sum(1).astype(float)
        far[payload.hollow] = np.inf
        far[17] = np.inf
        return list(np.argsort(far, kind="stable")[:10])

    rows = page.locator(".details .near").first.locator("li")
    expect(rows).to_have_count(10)
    shown = [int(n) for n in rows.locator("button").evaluate_all("all => all.map((b) => b.dataset.point)")]
    assert shown == nearest(29)
    since = {}
    for other in shown:
        t = 29
        while t > 0 and other in nearest(t - 1):
            t -= 1
        since[other] = "from the start" if t == 0 else f"since {payload.steps[t]:,}"
    for row, other in zip(rows.all(), shown):
        expect(row.locator(".count")).to_contain_text(since[other])
    counts = [int(n) for n in page.locator(".relations .count").all_inner_texts()]
    assert counts[0] + counts[1] == 10 and counts[1] == counts[2] > 0  # two of six axes lose neighbours
    rows.first.locator("button").click()
    expect(page.locator(".matrep")).to_have_attribute("data-selected", f"RM-{shown[0]:05d}")
    focus_track(page)
    page.keyboard.press("Home")
    expect(page.locator(".details-title").first).to_have_text("Nearest at step 0")


def test_two_marks_list_what_moved_most_between_them(page: Page, viewer: Served) -> None:
    open_view(page, viewer, LOOKS)
    payload = made_up(400, 30, 6, 5, False, 30, False, True)
    focus_track(page)
    page.keyboard.press("Home")
    page.get_by_role("button", name="Mark A").click()
    focus_track(page)
    page.keyboard.press("End")
    page.keyboard.press("b")
    expect(page.locator(".flag:visible")).to_have_count(2)
    expect(page.locator(".details-title")).to_have_text("Moved most from step 0 to 40,000")
    shown = page.locator(".moved button").evaluate_all("all => all.map((b) => Number(b.dataset.point))")
    way = np.linalg.norm((payload.frames[-1].astype(float) - payload.frames[0]), axis=1)
    assert shown == list(np.argsort(-way, kind="stable")[:10])
    expect(python_says(page)).to_contain_text("marks (0, 40000)")
    page.keyboard.press("b")
    expect(page.locator(".moved")).to_have_count(0)


def test_trust_and_events_stand_beside_the_step(page: Page, viewer: Served) -> None:
    open_view(page, viewer, LOOKS)
    for text in ("Step 40,000", "trustworthiness 70 %", "continuity 85 %"):
        expect(page.locator(".readout")).to_contain_text(text)
    expect(page.locator(".events")).to_have_text("1 leaves the origin (step 60) · 2 groups form (step 900)")
    focus_track(page)
    page.keyboard.press("Home")
    expect(page.locator(".readout")).to_contain_text("trustworthiness 90 %")
    page.locator("[data-choice=colour] select").select_option(label="Movement")  # a number that follows the frame
    bring_to_middle(page, 17)
    expect(page.locator(".details dl")).to_contain_text("Movement0")


def test_two_runs_share_scrubber_and_selection(page: Page, chromium: Browser, viewer: Served, tmp_path: Path) -> None:
    traffic = Traffic(page)
    page.set_viewport_size({"width": 1280, "height": 1200})
    page.goto(f"{viewer.url}/?points=200&frames=40&pair=yes&material=RM-00017")
    views = page.locator(".matrep")
    for k in (0, 1):
        expect(views.nth(k)).to_have_attribute("data-selected", "RM-00017")
    expect(page.locator(".scrub:visible")).to_have_count(1)
    focus_track(page)
    page.wait_for_timeout(500)
    traffic.forget()
    box = page.locator(".track:visible").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 60, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, y, steps=8)
    expect(views.nth(1)).to_have_attribute("data-between", "true")
    assert traffic.sent == []
    page.mouse.up()
    steps = [int(str(views.nth(k).get_attribute("data-step"))) for k in (0, 1)]
    assert 0 < steps[0] < 40_000 and abs(np.log(steps[1] / steps[0])) < 0.5  # the nearest frame of the other run
    views.nth(1).locator(".search-input").fill("RM-00031")
    views.nth(1).locator(".search-input").press("Enter")
    expect(views.nth(0)).to_have_attribute("data-selected", "RM-00031")
    expect(python_says(page)).to_contain_text("RM-00031")
    views.nth(0).locator("[data-tool=save]").click()
    with page.expect_download() as download:
        views.nth(0).locator("[data-save=html]").click()
    path = tmp_path / "pair.html"
    download.value.save_as(path)
    with watched_page(chromium, offline=True) as alone:
        alone.goto(path.as_uri())
        again = alone.locator(".matrep")
        expect(again).to_have_count(2)
        alone.locator(".track:visible").focus()
        alone.keyboard.press("Home")
        for k in (0, 1):
            expect(again.nth(k)).to_have_attribute("data-step", "0")
            expect(again.nth(k)).to_have_attribute("data-selected", "RM-00031")


def test_the_table_holds_what_is_shown_or_selected(page: Page, viewer: Served, tmp_path: Path) -> None:
    open_view(page, viewer, f"{LOOKS}&material=RM-00000&material=RM-00001&material=RM-00005")
    page.locator("button.legend-row").first.click()  # greyed out: not in the table
    left = sum(map(int, page.locator("button.legend-row .count").all_inner_texts()[1:]))
    path = saved(page, "csv", tmp_path)
    assert path.suffix == ".csv" and path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == left and {"material", "INCI name", "Support", "Cluster", "h1", "step"} <= set(rows[0])
    assert {row["step"] for row in rows} == {"40000"} and "Cluster 1" not in {row["Cluster"] for row in rows}
    with saved(page, "chosen", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["INCI name"] for row in rows] == [
        "<img src=x onerror=alert(1)>", "PEG-8 *dist* _or_ **bold** :smile: [link](http://a.b)",
        "'=HYPERLINK(\"http://a.b\");'+1",
    ]  # fmt: skip


def test_a_figure_says_how_it_was_made_and_prints_at_its_size(page: Page, viewer: Served, tmp_path: Path) -> None:
    open_view(page, viewer, f"{LOOKS}&material=RM-00017")
    choose_projection(page, "PCA")
    expect(page.locator(".matrep")).to_have_attribute("data-projection", "PCA")
    png = saved(page, "png", tmp_path).read_bytes()
    place = png.index(b"pHYs")
    assert int.from_bytes(png[place + 4 : place + 8], "big") == round(288 / 0.0254)
    drawing = ElementTree.parse(saved(page, "svg", tmp_path)).getroot()
    texts = ["".join(text.itertext()) for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert any("PCA" in text and "trustworthiness 70 %" in text for text in texts)
    assert {"One basis for all steps, from the last.", "missing neighbour", "false neighbour"} <= set(texts)
    assert any(text.startswith("PC 1 (50 % of the spread)") for text in texts)


@pytest.mark.parametrize("deep", [False, True], ids=["2D", "3D"])
def test_names_stand_clear_of_one_another_and_can_be_left_out(
    page: Page, viewer: Served, tmp_path: Path, deep: bool
) -> None:
    open_view(page, viewer, "points=800&dims=3&groups=4")
    if deep:
        page.get_by_role("button", name="3D").click()
        expect(page.locator(".matrep")).to_have_attribute("data-axes", "0 1 2")
    names = page.locator("[data-tool=names]")
    expect(names).to_have_attribute("aria-pressed", "true")
    boxes = page.evaluate(  # measured in this page, which has the font
        """svg => {
          const place = document.createElement("div");
          place.innerHTML = svg;
          document.body.append(place);
          return [...place.querySelectorAll("g[clip-path] text")].map(each => {
            const box = each.getBoundingClientRect();
            return [each.textContent, box.left, box.top, box.right, box.bottom];
          });
        }""",
        saved(page, "svg", tmp_path).read_text(),
    )
    groups = {text for text, *_ in boxes if text.startswith("Cluster")}
    assert groups == {f"Cluster {k}" for k in range(1, 5)} and len(boxes) > len(groups) + 5
    for i, (one, left, top, right, bottom) in enumerate(boxes):
        for other, left2, top2, right2, bottom2 in boxes[:i]:
            apart = left >= right2 or left2 >= right or top >= bottom2 or top2 >= bottom
            assert apart, f"{one} covers {other}"
    names.click()
    expect(names).to_have_attribute("aria-pressed", "false")
    texts = {text.text for text in ElementTree.parse(saved(page, "svg", tmp_path)).getroot().iter("{http://www.w3.org/2000/svg}text")}
    assert boxes[-1][0] not in texts


def test_dense_places_are_shaded_on_two_axes(page: Page, viewer: Served, tmp_path: Path) -> None:
    open_view(page, viewer, "points=500&dims=3")
    assert "<path" not in saved(page, "svg", tmp_path).read_text()
    page.locator("[data-tool=density]").click()
    expect(page.locator("[data-tool=density]")).to_have_attribute("aria-pressed", "true")
    assert saved(page, "svg", tmp_path).read_text().count("<path") == 5
    page.get_by_role("button", name="3D").click()
    expect(page.locator("[data-tool=density]")).to_be_hidden()
    assert "<path" not in saved(page, "svg", tmp_path).read_text()
