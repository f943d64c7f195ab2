"""The viewer beside two usual ways to watch points over steps, in the same headless Chromium.

For each way and size: the bytes that the first picture took; from an input (one step by a press of a key, or of the
mouse where a way has no keys) to the last drawing that it caused, the graphics card's work waited for; how often
the picture was drawn in a drag of 2 s; and the messages and bytes that this drag took. Each figure of another way
is also given as a ratio to the viewer's own, taken in the same run: figures of different runs do not compare.
"""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.browser.serving import ARGUMENTS, Served, Traffic, chromium_path, running

APP = Path(__file__).parent / "viewer_app.py"
SIZES = ((5_485, 64), (100_000, 32))
LARGEST = (1_000_000, 8)
QUICK = ((300, 8),)
PRESSES = 7
LOAD_SECONDS = 150
TARGETS = {5_485: 2_300_000, 100_000: 21_000_000}  # bytes of the first picture

# Notes when anything is drawn: by WebGL, waited for, or on a 2D canvas (what a chart on a plain canvas does first is
# to clear it). A drawing counts as one picture where more than 4 ms lie between it and the one before.
WATCH = """
const watch = (globalThis.watch = { last: 0, pictures: 0, input: 0 });
const note = () => {
  const now = performance.now();
  if (now - watch.last > 4) watch.pictures++;
  watch.last = performance.now();
};
const wrap = (kind, names, finish) => names.forEach((name) => {
  const own = kind.prototype[name];
  kind.prototype[name] = function (...rest) {
    const result = own.apply(this, rest);
    if (finish) this.readPixels(0, 0, 1, 1, this.RGBA, this.UNSIGNED_BYTE, new Uint8Array(4));
    note();
    return result;
  };
});
wrap(WebGL2RenderingContext, ["drawElements", "drawArrays"], true);
wrap(WebGLRenderingContext, ["drawElements", "drawArrays"], true);
if (WAY === "slider") wrap(CanvasRenderingContext2D, ["clearRect", "fill"], false);
for (const kind of ["keydown", "mousedown"])
  addEventListener(kind, () => (watch.input = performance.now()), { capture: true });
"""
QUIET = "() => watch.last > watch.input && performance.now() - watch.last > 400"


@dataclass(frozen=True)
class Measured:
    """Of one way at one size; None where it could not be taken."""

    load: float  # s from the request to a quiet picture
    load_bytes: int
    input: float  # s, median
    pictures: int  # in a drag of 2 s
    messages: int  # during the drag
    after_messages: int  # after the release
    drag_bytes: int  # of all of these


# Where the handle or the track of each way is, and how far a drag goes along it.
HANDLES = {"viewer": ".track", "slider": "[data-testid=stSlider] input[type=range]", "plotly": ".slider-rail-touch-rect"}


def measured(browser: Browser, served: Served, way: str, points: int, frames: int) -> Measured | None:
    """One way at one size, in a page of its own; None where a picture took longer than LOAD_SECONDS."""
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    try:
        page.add_init_script(WATCH.replace("WAY", repr(way)))
        traffic = Traffic(page)
        before = time.perf_counter()
        page.goto(f"{served.url}/?way={way}&points={points}&frames={frames}")
        try:
            page.wait_for_function(QUIET, timeout=1000 * LOAD_SECONDS)
            page.locator(HANDLES[way]).first.wait_for(timeout=1000 * LOAD_SECONDS)
        except Error:  # too long, or the page died of its data
            return None
        load, load_bytes = time.perf_counter() - before, sum(traffic.received)
        try:
            taken = [one_step(page, way, frames, press) for press in range(PRESSES + 2)][2:]  # the first two warm up
        except Error:  # too long, or the page died of its data
            return None
        page.wait_for_timeout(2000)  # what the last step has told the server is over
        traffic.forget()
        pictures, messages = drag(page, way, traffic)
        after = len(traffic.sent) + len(traffic.received) - messages
        return Measured(
            load, load_bytes, statistics.median(taken), pictures, messages, after, sum(traffic.sent) + sum(traffic.received)
        )
    finally:
        page.close()


def one_step(page: Page, way: str, frames: int, press: int) -> float:
    """Seconds from one step back or forth to the last drawing that it caused."""
    handle = page.locator(HANDLES[way]).first
    if way == "plotly":
        box = handle.bounding_box()
        assert box
        place = (frames // 2 - press % 2) / (frames - 1)
        page.mouse.click(box["x"] + box["width"] * place, box["y"] + box["height"] / 2)
    else:
        handle.press(("ArrowLeft", "ArrowRight")[press % 2])
    page.wait_for_function(QUIET, timeout=1000 * LOAD_SECONDS)
    return float(page.evaluate("watch.last - watch.input")) / 1000


def drag(page: Page, way: str, traffic: Traffic) -> tuple[int, int]:
    """Move along the steps for 2 s with the button held; how many pictures and messages there were meanwhile."""
    box = page.locator(HANDLES[way]).first.bounding_box()
    rail = page.locator("[data-testid=stSlider]").first.bounding_box() if way == "slider" else box
    assert box and rail
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2 if way == "slider" else rail["x"] + rail["width"] * 0.9, y)
    page.mouse.down()
    page.evaluate("watch.pictures = 0")
    start = time.perf_counter()
    while (spent := time.perf_counter() - start) < 2:
        page.mouse.move(rail["x"] + rail["width"] * (0.9 - 0.4 * spent), y)
    pictures = int(page.evaluate("watch.pictures"))
    messages = len(traffic.sent) + len(traffic.received)
    page.mouse.up()
    page.wait_for_timeout(3000)
    return pictures, messages


def click_to_table(browser: Browser, served: Served, points: int, frames: int) -> tuple[float, int]:
    """Seconds and received bytes from a click on a point to the table that shows it."""
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    try:
        page.add_init_script(WATCH.replace("WAY", "''"))
        traffic = Traffic(page)
        page.goto(f"{served.url}/?way=viewer&points={points}&frames={frames}")
        page.wait_for_function(QUIET, timeout=1000 * LOAD_SECONDS)
        for name in ("RM-000007", "RM-000011"):  # the first warms up
            page.locator(".search-input").fill(name)
            traffic.forget()
            before = time.perf_counter()
            page.locator(".search-input").press("Enter")
            page.get_by_text(f"table of {name}").wait_for()
            taken = time.perf_counter() - before
        return taken, sum(traffic.received)
    finally:
        page.close()


def measure(*, quick: bool = False) -> None:
    """Print the table."""
    path = chromium_path()
    if path is None:
        print("no Chromium: install it, or name it in the variable CHROMIUM")
        return
    ways = ["viewer", "slider"]
    if importlib.util.find_spec("plotly"):
        ways.append("plotly")
    else:
        print("Plotly is not installed (requirements-benchmarks.txt): left out")
    print(__doc__)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, running(APP, Path(folder)) as served:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for points, frames in QUICK if quick else SIZES:
            print(f"{points:,} points × {frames} frames", flush=True)
            own = None
            for way in ways:
                found = measured(browser, served, way, points, frames)
                if found is None:
                    print(f"  {way:7} no picture within {LOAD_SECONDS} s", flush=True)
                    continue
                own = own or found
                print(line(way, found, own, TARGETS.get(points)), flush=True)
            seconds, received = click_to_table(browser, served, points, frames)
            print(f"  from the choice of a point to its table: {1000 * seconds:.0f} ms, {received:,} bytes received (≤ 10,000)")
        if not quick:
            points, frames = LARGEST
            found = measured(browser, served, "viewer", points, frames)
            print(f"{points:,} points × {frames} frames")
            print(line("viewer", found, found, None) if found else f"  no picture within {LOAD_SECONDS} s")
        browser.close()


def line(way: str, found: Measured, own: Measured, target: int | None) -> str:
    """One row of the table, with ratios to the viewer's own."""
    shown = (
        f"  {way:7} first picture {found.load:6.1f} s {found.load_bytes / 1e6:8.2f} MB · input to drawn "
        f"{1000 * found.input:7.0f} ms · drag of 2 s: {found.pictures:4} pictures, {found.messages:3} messages (then "
        f"{found.after_messages:2}), {found.drag_bytes / 1e6:8.2f} MB"
    )
    if found is not own:
        return f"{shown} · {found.input / own.input:.1f}× the time"
    return f"{shown} · first picture ≤ {target / 1e6:.1f} MB" if target else shown
