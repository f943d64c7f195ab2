"""The viewer where it is not a plain map: three axes or one, very many points, no WebGL2."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.serving import Served, Traffic
from tests.browser.test_viewer import bring_to_middle, drag, middle_of, open_view, python_says, viewer  # noqa: F401  (a fixture)

# ---- depth, one axis, size, and browsers without WebGL2


def test_three_axes_turn_pick_and_lasso(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=300&dims=4&frames=3")
    page.get_by_role("button", name="3D").click()
    home = str(root.get_attribute("data-view"))
    x, y = middle_of(page)
    drag(page, [(x, y), (x + 120, y + 30)])
    expect(root).not_to_have_attribute("data-view", home)
    bring_to_middle(page, 50)
    expect(root).to_have_attribute("data-selected", "RM-00050")
    page.locator(".clear").click()
    page.mouse.move(x + 1, y)
    expect(root).to_have_attribute("data-hover", re.compile("RM-"))
    nearest = str(root.get_attribute("data-hover"))  # where points overlap, the nearer one hides the other
    page.mouse.click(x + 1, y)
    expect(root).to_have_attribute("data-selected", nearest)
    page.keyboard.down("Shift")
    drag(page, [(x - 150, y - 150), (x + 150, y - 150), (x + 150, y + 150), (x - 150, y + 150)])
    page.keyboard.up("Shift")
    assert int(root.get_attribute("data-selected-count") or 0) > 5
    page.locator(".choice select").nth(3).select_option(label="h4")
    page.locator(".surface").focus()
    page.keyboard.press("0")
    page.get_by_role("button", name="2D").click()
    page.locator(".choice select").nth(1).select_option(label="h2")  # taken by y: the two change places
    assert page.locator(".choice select").nth(2).input_value() == "0"


def test_one_axis_is_a_strip_that_can_be_picked(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=100&dims=1&frames=5")
    x, y = bring_to_middle(page, 50)
    page.locator(".clear").click()
    page.mouse.click(x, y)
    expect(root).to_have_attribute("data-selected", "RM-00050")


def test_a_hundred_thousand_points_load_and_scrub(page: Page, viewer: Served) -> None:
    traffic = Traffic(page)
    root = open_view(page, viewer, "points=100000&frames=32")
    expect(page.locator(".legend-total")).to_have_text("100,000 materials")
    assert sum(traffic.received) < 21_000_000
    page.locator(".track").focus()
    page.keyboard.press("Home")
    expect(root).to_have_attribute("data-step", "0")
    bring_to_middle(page, 99_999)
    expect(python_says(page)).to_contain_text("RM-99999")


WITHOUT = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  if (%s) return null;
  return original.call(this, kind, ...rest);
};
"""


def test_without_webgl2_it_draws_on_a_plain_canvas(page: Page, viewer: Served) -> None:
    page.add_init_script(WITHOUT % "kind === 'webgl2'")
    root = open_view(page, viewer, "points=300&frames=5")
    expect(root).to_have_attribute("data-renderer", "canvas2d")
    x, y = bring_to_middle(page, 17)
    page.locator(".clear").click()
    page.mouse.click(x, y)
    expect(root).to_have_attribute("data-selected", "RM-00017")
    painted = page.locator(".points").evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, k) => k % 4 === 3 && v > 0)"
    )
    assert painted


def test_without_any_canvas_it_says_so(page: Page, viewer: Served) -> None:
    page.add_init_script(WITHOUT % "this.classList.contains('points')")
    page.goto(viewer.url)
    expect(page.locator(".message")).to_contain_text("neither WebGL2 nor a canvas")
    expect(python_says(page)).to_be_visible()


def test_a_lost_graphics_context_comes_back(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=300")
    page.locator(".points").evaluate(
        """async (canvas) => {
            const loss = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
            loss.loseContext();
            await new Promise((done) => setTimeout(done, 50));
            const back = new Promise((done) => canvas.addEventListener("webglcontextrestored", done));
            loss.restoreContext();
            await back;
            await new Promise((done) => setTimeout(done, 100));
        }"""
    )
    drawn = page.locator(".points").evaluate(
        """(canvas) => {
            const gl = canvas.getContext("webgl2");
            return !gl.isContextLost() && gl.getError() === 0;
        }"""
    )
    assert drawn
    bring_to_middle(page, 17)
    expect(root).to_have_attribute("data-selected", "RM-00017")
