"""The viewer in real Chromium: what it shows, what it selects, what it tells Python and what it does not send."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.serving import Served, Traffic, run_to_its_end, watched_page

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def viewer(chromium: Browser, serve: Callable[[Path], AbstractContextManager[Served]]) -> Iterator[Served]:
    with serve(HERE / "viewer_app.py") as served:
        yield served


def open_view(page: Page, served: Served, query: str = "", width: int = 1280) -> Locator:
    page.set_viewport_size({"width": width, "height": 1200})  # all of it in sight: a scroll would move the places
    page.goto(f"{served.url}/?{query}")
    root = page.locator(".matrep")
    expect(root).to_have_attribute("data-drawn", re.compile(r"\d+"))
    return root


def middle_of(page: Page, selector: str = ".surface") -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def bring_to_middle(page: Page, point: int) -> tuple[float, float]:
    """Choose a point in the search list, which selects it and moves it to the middle of the picture."""
    page.locator(".search-input").fill(f"RM-{point:05d}")
    page.locator(".search-input").press("Enter")
    page.locator(".search-input").fill("")
    page.locator(".search-input").press("Escape")
    return middle_of(page)


def python_says(page: Page) -> Locator:
    return page.get_by_text("Python knows")


def drag(page: Page, path: list[tuple[float, float]]) -> None:
    page.mouse.move(*path[0])
    page.mouse.down()
    for place in path[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


# ---- what is seen


def test_it_draws_with_webgl2_and_counts_in_the_legend(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=500")
    expect(root).to_have_attribute("data-renderer", "webgl2")
    counts = page.locator("button.legend-row .count").all_inner_texts()
    assert len(counts) == 5 and sum(map(int, counts)) == 500
    expect(page.locator(".legend-total")).to_have_text("500 materials")
    expect(page.locator(".legend-row.note .name")).to_have_text("in no training formula")
    expect(page.locator(".scrub")).to_be_hidden()


def test_the_card_names_the_point_and_its_numbers(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=40")
    x, y = bring_to_middle(page, 17)
    page.mouse.move(x + 1, y + 1)
    expect(root).to_have_attribute("data-hover", "RM-00017")
    card = page.locator(".card")
    for text in ("Extract 17", "RM-00017", "Function", "Support", "Cluster", "h1", "h2"):
        expect(card).to_contain_text(text)
    page.mouse.move(5, 5)
    expect(card).to_be_hidden()


def test_hostile_names_are_shown_as_written(page: Page, viewer: Served) -> None:
    open_view(page, viewer, "points=40")
    page.locator(".search-input").fill("RM-0000")
    names = page.locator(".search-list .name").all_text_contents()
    assert names[0] == "<img src=x onerror=alert(1)>"
    assert names[1] == "PEG-8 *dist* _or_ **bold** :smile: [link](http://a.b)"
    assert names[2].startswith("Very long Polyoxyethylene-") and len(names[2]) > 600
    assert names[3:5] == ["مادة خام 12 (right to left)", "글리세린 🧴 emoji"]
    for point, name in enumerate(names[:5]):
        x, y = bring_to_middle(page, point)
        page.mouse.move(x + 1, y + 1)
        expect(page.locator(".card strong")).to_have_text(name)
        expect(page.locator(".details-name")).to_have_text(name)
        page.mouse.move(5, 5)
    expect(page.locator(".matrep img, .matrep a, .matrep script")).to_have_count(0)
    card_width = page.locator(".stage").evaluate("stage => stage.scrollWidth <= stage.clientWidth")
    assert card_width, "a very long name widens the picture"


def test_it_follows_the_theme_while_running(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer)
    expect(root).to_have_attribute("data-theme", "light")
    before = page.locator(".swatch").first.evaluate("s => getComputedStyle(s).backgroundColor")
    page.emulate_media(color_scheme="dark")
    expect(root).to_have_attribute("data-theme", "dark")
    assert page.locator(".swatch").first.evaluate("s => getComputedStyle(s).backgroundColor") != before


def test_on_a_narrow_screen_the_legend_goes_below_and_nothing_sticks_out(page: Page, viewer: Served) -> None:
    open_view(page, viewer, "points=500&frames=20&dims=3", width=400)
    stage, legend = page.locator(".stage").bounding_box(), page.locator(".legend").bounding_box()
    assert stage and legend and legend["y"] >= stage["y"] + stage["height"]
    assert page.locator(".matrep").evaluate("root => root.scrollWidth <= root.clientWidth")
    at_once = str(page.locator(".matrep").get_attribute("data-view"))
    page.locator(".surface").focus()
    page.keyboard.press("0")  # fitting again changes nothing: it was fitted to the width that it got
    expect(page.locator(".matrep")).to_have_attribute("data-view", at_once)
    page.set_viewport_size({"width": 1280, "height": 1200})
    expect(page.locator(".matrep")).not_to_have_attribute("data-view", at_once)


def test_in_a_tab_that_opens_later_it_is_laid_out_when_seen(page: Page, viewer: Served) -> None:
    page.goto(f"{viewer.url}/?points=300&tab=yes")
    expect(page.get_by_text("The viewer is in the second tab.")).to_be_visible()
    expect(page.locator(".message[hidden]")).to_be_attached()  # the data is there
    page.get_by_role("tab", name="Second").click()
    root = page.locator(".matrep")
    expect(root).to_have_attribute("data-drawn", re.compile(r"\d+"))
    expect(page.locator("button.legend-row")).to_have_count(5)
    bring_to_middle(page, 17)
    expect(root).to_have_attribute("data-selected", "RM-00017")


def test_nothing_is_fetched_from_elsewhere(page: Page, viewer: Served) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_view(page, viewer, "frames=20&dims=3")
    outside = [url for url in asked if not url.startswith((viewer.url, "blob:", "data:"))]
    assert asked and not outside


# ---- choosing points


def test_a_click_selects_and_a_shift_click_adds_and_takes_away(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=40")
    x, y = bring_to_middle(page, 17)
    page.locator(".clear").click()
    expect(root).to_have_attribute("data-selected", "")
    page.mouse.click(x, y)
    expect(root).to_have_attribute("data-selected", "RM-00017")
    expect(python_says(page)).to_contain_text("1 selected: RM-00017")
    page.keyboard.down("Shift")
    page.mouse.click(x, y)
    expect(root).to_have_attribute("data-selected", "")
    page.mouse.click(x, y)
    page.keyboard.up("Shift")
    expect(python_says(page)).to_contain_text("1 selected: RM-00017")
    empty_corner = page.locator(".surface").bounding_box()
    assert empty_corner
    page.mouse.click(empty_corner["x"] + 3, empty_corner["y"] + 3)
    expect(root).to_have_attribute("data-selected", "RM-00017")


def test_a_lasso_selects_what_it_encloses(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=300")
    box = page.locator(".surface").bounding_box()
    assert box
    left, top, right, bottom = box["x"] + 1, box["y"] + 1, box["x"] + box["width"] - 2, box["y"] + box["height"] - 2
    page.locator("[data-tool=lasso]").click()
    drag(page, [(left, top), (right, top), (right, bottom), (left, bottom)])
    expect(root).to_have_attribute("data-selected-count", "300")
    middle = (left + right) / 2
    page.locator("[data-tool=pan]").click()
    page.keyboard.press("Escape")
    page.locator("button.legend-row").first.click()  # grey context is not selected
    shown = sum(map(int, page.locator("button.legend-row .count").all_inner_texts()[1:]))
    page.locator("[data-tool=lasso]").click()
    drag(page, [(left, top), (right, top), (right, bottom), (left, bottom)])
    expect(root).to_have_attribute("data-selected-count", str(shown))
    drag(page, [(left, top), (middle, top), (middle, bottom), (left, bottom)])
    half = int(root.get_attribute("data-selected-count") or 0)
    assert 0 < half < shown
    expect(python_says(page)).to_contain_text(f"knows {half} selected")


def test_the_keyboard_alone_walks_selects_and_clears(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=200")
    page.locator(".surface").focus()
    page.keyboard.press("ArrowRight")
    expect(root).to_have_attribute("data-cursor", re.compile("RM-"))
    first = root.get_attribute("data-cursor")
    expect(page.locator(".live")).to_contain_text(str(first))
    page.keyboard.press("ArrowRight")
    expect(root).not_to_have_attribute("data-cursor", str(first))
    second = root.get_attribute("data-cursor")
    page.keyboard.press("Enter")
    expect(python_says(page)).to_contain_text(f"1 selected: {second}")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Enter")
    expect(root).to_have_attribute("data-selected-count", "2")
    page.keyboard.press("Escape")
    expect(root).to_have_attribute("data-selected-count", "0")
    expect(python_says(page)).to_contain_text("0 selected")


def test_the_search_greys_the_rest_and_leads_to_one(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=300")
    box = page.locator(".search-input")
    box.press_sequentially("rc")  # Streamlit's own shortcuts for rerun and clear cache
    expect(page.get_by_role("dialog")).to_have_count(0)
    box.fill("extract 29")
    expect(page.locator(".search-count")).to_have_text("11 found")
    expect(root).to_have_attribute("data-found", "11")
    box.press("ArrowDown")
    box.press("ArrowDown")
    box.press("Enter")
    expect(root).to_have_attribute("data-selected", "RM-00290")
    expect(page.locator(".live")).to_contain_text("RM-00290")
    box.fill("no such thing")
    expect(page.locator(".search-count")).to_have_text("0 found")
    box.press("Escape")
    expect(root).not_to_have_attribute("data-found", re.compile(".*"))
    expect(root).to_have_attribute("data-selected", "RM-00290")


def test_groups_can_be_left_out_and_brought_back(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=300")
    rows = page.locator("button.legend-row")
    rows.nth(1).click()
    expect(root).to_have_attribute("data-hidden", "1")
    expect(rows.nth(1)).to_have_attribute("aria-pressed", "false")
    page.get_by_text("Show all groups").click()
    expect(root).to_have_attribute("data-hidden", "")
    rows.nth(2).dblclick()
    expect(root).to_have_attribute("data-hidden", "0 1 3 4")
    rows.nth(2).dblclick()
    expect(root).to_have_attribute("data-hidden", "")


def test_wheel_and_drag_move_the_picture_and_double_click_resets_it(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=300")
    home = root.get_attribute("data-view")
    x, y = middle_of(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    expect(root).not_to_have_attribute("data-view", str(home))
    zoomed = root.get_attribute("data-view")
    drag(page, [(x, y), (x + 80, y + 40)])
    expect(root).not_to_have_attribute("data-view", str(zoomed))
    expect(root).to_have_attribute("data-selected", "")
    page.locator(".surface").dblclick(position={"x": 4, "y": 4})
    expect(root).to_have_attribute("data-view", str(home))


# ---- Python and the page


def test_a_click_costs_little_and_everything_survives_a_run_of_the_page(page: Page, viewer: Served) -> None:
    traffic = Traffic(page)
    root = open_view(page, viewer, "points=5485&frames=8")
    bring_to_middle(page, 100)
    expect(python_says(page)).to_contain_text("RM-00100")
    page.locator(".search-input").fill("extract 5")
    page.mouse.move(*middle_of(page))
    page.mouse.wheel(0, -300)
    page.locator(".track").focus()
    page.keyboard.press("ArrowLeft")
    expect(python_says(page)).not_to_contain_text("step 40000")
    view, found, step = (root.get_attribute(f"data-{name}") for name in ("view", "found", "step"))
    traffic.forget()
    page.locator(".surface").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(python_says(page)).not_to_contain_text("RM-00100")
    assert sum(traffic.received) < 10_000, traffic.received
    selected = root.get_attribute("data-selected")
    traffic.forget()
    page.get_by_text("Other colours").click()
    expect(page.locator(".legend-title")).to_have_text("Cluster")  # the chosen column stays
    run_to_its_end(page)
    assert sum(traffic.received) < 90_000, "only the colours were to be sent again"
    for name, value in [("view", view), ("found", found), ("step", step), ("selected", selected)]:
        expect(root).to_have_attribute(f"data-{name}", str(value))


def test_python_steers_the_selection_and_the_reader_takes_over_again(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=40&material=RM-00007&material=RM-00009&material=gone")
    expect(root).to_have_attribute("data-selected", "RM-00007 RM-00009")
    page.get_by_role("button", name="Select the third").click()
    expect(root).to_have_attribute("data-selected", "RM-00003")
    expect(python_says(page)).to_contain_text("1 selected: RM-00003")
    bring_to_middle(page, 12)
    expect(python_says(page)).to_contain_text("1 selected: RM-00012")
    page.get_by_text("Other colours").click()
    expect(page.locator(".legend-title")).to_have_text("Cluster")
    expect(root).to_have_attribute("data-selected", "RM-00012")
    page.get_by_role("button", name="Select the third").click()
    expect(root).to_have_attribute("data-selected", "RM-00003")


# ---- steps


def test_scrubbing_sends_nothing_until_the_release(page: Page, viewer: Served) -> None:
    traffic = Traffic(page)
    root = open_view(page, viewer, "points=2000&frames=32")
    expect(root).to_have_attribute("data-step", "40000")
    box = page.locator(".track").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 46, y)
    traffic.forget()
    page.mouse.down()
    page.mouse.move(box["x"] + 200, y, steps=20)
    expect(page.locator(".readout")).to_contain_text("in-between")
    expect(root).to_have_attribute("data-between", "true")
    expect(page.locator(".stamp")).to_contain_text("between steps")
    assert traffic.sent == []
    page.mouse.up()
    expect(root).to_have_attribute("data-between", "false")
    step = root.get_attribute("data-step")
    expect(python_says(page)).to_contain_text(f"step {step}")
    assert len(traffic.sent) == 1
    expect(page.locator(".readout")).to_contain_text("mPa·s")


def test_keys_and_play_move_through_the_frames(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=200&frames=30")
    track = page.locator(".track")
    track.focus()
    page.keyboard.press("Home")
    expect(root).to_have_attribute("data-step", "0")
    expect(track).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("ArrowRight")
    expect(track).to_have_attribute("aria-valuenow", "1")
    page.keyboard.press("End")
    expect(root).to_have_attribute("data-step", "40000")
    page.get_by_role("button", name="Play", exact=True).click()  # from the start again
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(track).not_to_have_attribute("aria-valuenow", "29")
    page.get_by_role("button", name="Pause").click()
    expect(root).to_have_attribute("data-between", "false")
    page.get_by_role("button", name="Go to step 900: groups form").click()
    near = int(root.get_attribute("data-step") or 0)
    assert 700 < near < 1_100
    expect(python_says(page)).to_contain_text(f"step {near}")
    page.locator(".surface").focus()
    page.keyboard.press("Home")
    expect(root).to_have_attribute("data-step", "0")
    expect(page.locator("button.legend-row .name").first).to_have_text("not yet in a cluster")


def test_new_frames_append_without_sending_the_old_ones_again(page: Page, viewer: Served) -> None:
    traffic = Traffic(page)
    root = open_view(page, viewer, "points=3000&frames=40&later=4")
    page.mouse.move(*middle_of(page))
    page.mouse.wheel(0, -300)
    before = int(root.get_attribute("data-step") or 0)
    view = root.get_attribute("data-view")
    all_frames = sum(traffic.received)
    traffic.forget()
    page.get_by_text("Train on").click()
    expect(root).to_have_attribute("data-step", "40000")  # it was at the last frame, so it follows
    assert before < 40_000
    expect(root).to_have_attribute("data-view", str(view))
    four_frames = 4 * 3000 * (2 * 2 + 1)  # positions and colours, before they are deflated
    assert four_frames / 5 < sum(traffic.received) < four_frames + 15_000 < all_frames


# ---- taking it away


def saved(page: Page, kind: str, folder: Path) -> Path:
    page.locator("[data-tool=save]").click()
    with page.expect_download() as download:
        page.locator(f"[data-save={kind}]").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_png_and_svg_hold_the_picture_with_axes_legend_and_caption(page: Page, viewer: Served, tmp_path: Path) -> None:
    open_view(page, viewer, "points=300&frames=5&material=RM-00000&material=RM-00001")
    png = saved(page, "png", tmp_path)
    assert png.name == "map-of-material-vectors-step-40-000.png"
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n" and int.from_bytes(head[16:20], "big") > 2_400
    drawing = ElementTree.parse(saved(page, "svg", tmp_path)).getroot()
    space = "{http://www.w3.org/2000/svg}"
    texts = {"".join(text.itertext()) for text in drawing.iter(f"{space}text")}
    assert {"Map of material vectors", "h1", "h2", "Cluster 1", "<img src=x onerror=alert(1)>"} <= texts
    assert "step 40,000 · 300 materials · made up" in texts
    assert len(list(drawing.iter(f"{space}circle"))) >= 300
    assert {element.tag.removeprefix(space) for element in drawing.iter()} <= {
        "svg", "g", "rect", "clipPath", "text", "circle", "polyline", "polygon",
    }  # fmt: skip


def test_a_nearly_flat_cloud_is_stretched_and_says_so(page: Page, viewer: Served, tmp_path: Path) -> None:
    root = open_view(page, viewer, "points=300&flat=yes")
    stretch = page.locator("[data-tool=equal]")
    expect(stretch).to_have_attribute("aria-pressed", "true")
    assert "as large" in saved(page, "svg", tmp_path).read_text()
    stretched = str(root.get_attribute("data-view"))
    stretch.click()
    expect(stretch).to_have_attribute("aria-pressed", "false")
    expect(root).not_to_have_attribute("data-view", stretched)
    assert "as large" not in saved(page, "svg", tmp_path).read_text()


def test_the_saved_page_works_alone_and_starts_where_the_viewer_stood(
    page: Page, chromium: Browser, viewer: Served, tmp_path: Path
) -> None:
    root = open_view(page, viewer, "points=300&frames=40&dims=3&material=RM-00000")
    page.get_by_role("button", name="3D").click()
    page.locator(".track").focus()
    page.keyboard.press("PageDown")
    step = str(root.get_attribute("data-step"))
    path = saved(page, "html", tmp_path)
    with watched_page(chromium, offline=True) as alone:
        asked: list[str] = []
        alone.on("request", lambda request: asked.append(request.url))
        alone.goto(path.as_uri())
        again = alone.locator(".matrep")
        expect(again).to_have_attribute("data-step", step)
        expect(again).to_have_attribute("data-selected", "RM-00000")
        expect(again).to_have_attribute("data-renderer", "webgl2")
        expect(alone.get_by_role("button", name="3D")).to_have_attribute("aria-pressed", "true")
        expect(alone.locator(".status")).to_contain_text("<img src=x onerror=alert(1)>")
        alone.locator(".track").focus()
        alone.keyboard.press("Home")
        expect(again).to_have_attribute("data-step", "0")
        alone.locator("[data-tool=save]").click()
        expect(alone.locator("[data-save=svg]")).to_be_visible()
        expect(alone.locator("[data-save=html]")).to_be_hidden()
        assert asked == [path.as_uri()]
