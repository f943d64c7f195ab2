"""What every page begins with: its place in the navigation, its heading, its errors and its address.

A page is one file below ``pages/`` and one line in ``PAGES``; its first call is ``start_page``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from matrep_core.errors import MatRepError, NotThere
from matrep_core.runs.store import IN_STUDY, Run, RunSummary, artifacts_root, list_runs, open_run, run_path, summary

PICTURES = Path(__file__).resolve().parent
ROOT = PICTURES.parent
TURNS = 4  # keys that take turns; a page changes what one is of twice a run at most
ABOUT = "**MatRep** shows what a model learned about raw materials from the formulas that contain them."

log = logging.getLogger("matrep")


@dataclass(frozen=True)
class PageEntry:
    """One line of the navigation; ``name`` is the file below pages/ and the path in the address."""

    section: str
    name: str
    title: str
    icon: str


PAGES = (
    PageEntry("Data", "data", "Data", ":material/table_view:"),
    PageEntry("Model", "train", "Train", ":material/model_training:"),
    PageEntry("Model", "evaluate", "Evaluate", ":material/balance:"),
    PageEntry("Explore", "dynamics", "Dynamics", ":material/timeline:"),
    PageEntry("Explore", "materials", "Materials", ":material/scatter_plot:"),
    PageEntry("Explore", "similar", "Similar", ":material/join_inner:"),
    PageEntry("Explore", "whatif", "What if", ":material/alt_route:"),
)


def page_file(name: str) -> Path:
    """The file of the page of that name."""
    return ROOT / "pages" / f"{name}.py"


def navigation() -> StreamlitPage:
    """Declare all pages to Streamlit; return the one that the address asks for, ready to ``run()``.

    Streamlit gives its default page the empty address, so the default here is a hidden page that leads to
    the first one: ``/`` and ``/data`` both work. The app's own icon is set first: without one the browser
    would fetch the page's icon from a foreign server.
    """
    st.set_page_config(page_icon=PICTURES / "icon.svg", layout="wide", menu_items={"About": ABOUT})
    st.logo(PICTURES / "logo.svg", size="large", icon_image=PICTURES / "icon.svg")
    sections: dict[str, list[StreamlitPage]] = {}
    for entry in PAGES:
        page = st.Page(page_file(entry.name), title=entry.title, icon=entry.icon, url_path=entry.name)
        sections.setdefault(entry.section, []).append(page)
    home = st.Page(_home, title="MatRep", default=True, visibility="hidden")
    chosen = st.navigation({"": [home], **sections})
    st.session_state["_through_app"] = True
    return chosen


def _home() -> None:
    st.switch_page(page_file(PAGES[0].name), query_params=st.query_params.to_dict())


def start_page(title: str, sentence: str) -> None:
    """Title and the one sentence that says what the page shows. Both are the program's own text, as Markdown."""
    _pass_through_app()
    st.set_page_config(page_title=f"{title} · MatRep")
    st.title(title, anchor=False)
    st.write(sentence)


def _pass_through_app() -> None:
    """Start over through app.py where Streamlit ran a page without it.

    A server takes a ``pages`` folder for its older kind of app, which runs page files alone, until
    ``st.navigation`` has been called once in its process. A first session that opens the address of a page
    therefore never reaches app.py. Calling it here ends that for the whole process. A page that is itself
    the main script (as in a test) comes back without app.py and then simply runs.
    """
    if st.session_state.pop("_through_app", False) or st.session_state.get("_sent_to_app"):
        return
    st.session_state["_sent_to_app"] = True
    navigation()
    del st.session_state["_through_app"]
    st.rerun()


@contextmanager
def show_errors() -> Iterator[None]:
    """Show what goes wrong inside as one sentence and end the page there; also usable as a decorator.

    A MatRepError is shown in its own words; anything else is logged with its traceback and shown as a
    plain sentence, because a traceback helps no chemist and may hold what is not meant to be shown.
    """
    try:
        yield
    except MatRepError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        log.exception("The page met an error that it did not expect.")
        st.error(
            "This part of the page failed for a reason that MatRep did not expect. "
            "The server's log has the details; reload the page to try again.",
            icon=":material/error:",
        )
    else:
        return
    st.stop()


_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")  # all ASCII punctuation; Markdown lets each be escaped
_REWRITTEN = re.compile(r":(?=\S)|[-<>=~](?=[->=])|@|www(?=\.)")  # :icon:, arrows, dashes, addresses


def plain(text: str) -> str:
    """``text`` for a Markdown field that must show it as written: a material name, a file name.

    Every mark of Markdown is escaped. What Streamlit rewrites after that, where no escape reaches, is broken
    by an invisible word joiner.
    """
    joined = _REWRITTEN.sub("\\g<0>\N{WORD JOINER}", text)
    return _MARKDOWN.sub(r"\\\1", joined).replace("\n", "  \n")


def empty_state(sentence: str, page: str, label: str) -> None:
    """What a page shows while there is nothing to show: one sentence and the link to the next step."""
    with st.container(border=True):
        st.write(sentence)
        link(page, label)


def link(page: str, label: str, **address: str | int | None) -> None:
    """A link to a page of ``PAGES`` that carries values of the address, such as ``run=…, material=…``."""
    entry = next(each for each in PAGES if each.name == page)
    carried = {name: str(value) for name, value in address.items() if value is not None}
    st.page_link(page_file(page), label=label, icon=entry.icon, query_params=carried)


def from_url(name: str) -> str | None:
    """A value of the page's address, or None where it is absent or empty."""
    return st.query_params.get(name) or None


def to_url(**values: str | int | None) -> None:
    """Write values into the page's address; None takes one out. The others stay."""
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)


def widget_to_url(name: str, key: str, *drop: str) -> None:
    """Write the value of the widget of that key into the address under ``name``; take the names in ``drop`` out of it.

    As a callback with arguments it holds a few words. Streamlit keeps the callback of every widget that a session has
    ever shown, and a function written in a page would keep with it all that the page had in hand.
    """
    to_url(**{name: st.session_state[key]}, **dict.fromkeys(drop))


def fresh_key(name: str, of: object, *, anew: bool = False) -> str:
    """The key of a widget that starts anew whenever ``of`` changes, and now where ``anew``.

    Keys take turns, since Streamlit keeps something of every key that a session has ever had, for as long as it lasts;
    by the time that one comes round again, it has forgotten what was chosen under it.
    """
    seen, turn = st.session_state.get(f"fresh {name}", (of, 0))
    turn = (turn + (anew or seen != of)) % TURNS
    st.session_state[f"fresh {name}"] = (of, turn)
    return f"{name} {turn}"


def url_selectbox(
    label: str,
    options: Sequence[str],
    name: str,
    *,
    show: Callable[[str], object] = str,
    default: str | None = None,
    help: str | None = None,
    drop: Sequence[str] = (),
) -> str | None:
    """A selectbox whose choice lives in the address under ``name``; None while nothing valid is chosen.

    ``default`` is chosen while the address has no such value. A new choice also takes the values named in
    ``drop`` out of the address, because they belong to the old one.
    """
    key = f"url {name}"
    wanted = from_url(name) or default
    known = wanted in options
    st.session_state[key] = wanted if known else None
    return st.selectbox(
        label, options, index=0 if known else None, key=key, format_func=show, help=help, placeholder="Type to search",
        on_change=widget_to_url, args=(name, key, *drop),
    )  # fmt: skip


def url_control(
    label: str,
    options: Sequence[str],
    name: str,
    *,
    show: Mapping[str, str],
    default: str | None = None,
    key: str | None = None,
    help: str | None = None,
) -> str:
    """One of a few, all seen at once and one of them always chosen; it lives in the address under ``name``.

    ``show`` has the words for the options, where they are others than the options themselves.
    """
    start = from_url(name) if from_url(name) in options else default or options[0]
    key = key or name
    return str(st.segmented_control(
        label, options, format_func={each: show.get(each, each) for each in options}.get, default=start, required=True,
        key=key, help=help, on_change=widget_to_url, args=(name, key),
    ))  # fmt: skip


def url_number(label: str, low: float, high: float, start: int, name: str, *, key: str, help: str) -> int:
    """A whole number that lives in the address under ``name``; ``start`` while the address has none within the bounds."""
    stored = from_url(name)
    if stored and stored.isdigit() and low <= int(stored) <= high:
        start = int(stored)
    return int(st.number_input(
        label, int(low), int(high), start, key=key, help=help, width=190, on_change=widget_to_url, args=(name, key)
    ))  # fmt: skip


def url_toggle(label: str, name: str, *, help: str) -> bool:
    """A switch that lives in the address under ``name`` while it is on."""
    return st.toggle(label, value=from_url(name) == "yes", key=name, on_change=_switch_to_url, args=(name,), help=help)


def _switch_to_url(name: str) -> None:
    to_url(**{name: "yes" if st.session_state[name] else None})


def choose_run() -> Run:
    """The run that the address names, or the last one looked at, or the newest; shown as a selectbox.

    Ends the page with the way onwards where there is no run yet, and with a sentence where the address
    names none that exists.
    """
    root = artifacts_root()
    runs, broken = list_runs(root)
    runs = [run for run in runs if run.status.state != "queued"]
    if (wanted := from_url("run")) and IN_STUDY in wanted and wanted not in [run.id for run in runs]:
        runs.insert(0, summary(open_run(root, wanted)))  # a run of a study, which no list names
    for sentence in broken:
        st.warning(plain(sentence), icon=":material/broken_image:")
    if not runs:
        empty_state("There is no trained model yet. Train one; its materials then appear here.", "train", "Train a model")
        st.stop()
    by_id = {run.id: run for run in runs}
    last = st.session_state.get("last run")
    if from_url("run") is None:
        to_url(run=last if last in by_id else runs[0].id)
    chosen = url_selectbox("Run", list(by_id), "run", show={i: run_label(each) for i, each in by_id.items()}.get, drop=["step", "evidence"])
    if chosen is None:
        raise NotThere(f"There is no run {_short(from_url('run'))}. Choose one from the list.")
    st.session_state["last run"] = chosen
    stamp = (run_path(root, chosen) / "config.json").stat()
    return _opened(root, chosen, (stamp.st_ino, stamp.st_mtime_ns))


@st.cache_resource(max_entries=8, show_spinner="Opening the run …")
def _opened(root: Path, run_id: str, stamp: tuple[int, int]) -> Run:
    """A Run keeps its formulas once read; ``stamp`` tells one run of that name from a later one."""
    return open_run(root, run_id)


def choose_step(run: Run) -> int:
    """The training step that the address names, or else the kept one; shown as a selectbox.

    Raises NotThere where the run has no vectors yet, or none at the step that the address names.
    """
    kept = run.kept_step
    steps = sorted({kept, *(int(step) for step in run.frame_steps())})
    chosen = url_selectbox(
        "Training step",
        [str(step) for step in steps],
        "step",
        show={str(step): f"{step:,}" + (" (kept)" if step == kept else "") for step in steps}.get,
        default=str(kept),
        help="The kept step has the lowest validation error, or is the last one. The others are pictures taken on the way.",
    )
    if chosen is None:
        raise NotThere(f"This run keeps no vectors of step {_short(from_url('step'))}. Choose a step from the list.")
    return int(chosen)


def _short(text: str | None) -> str:
    """A text from the address as a message quotes it."""
    return repr(text if text is None or len(text) <= 80 else text[:80] + "…")


def run_label(run: RunSummary) -> str:
    """One line that tells a run from the others: property, size, data, time, state."""
    settings = run.settings
    made = f"{run.created.replace('T', ' ')[:16]} UTC"
    parts = [settings.property, f"N_entries {settings.n_entries}", run.data_name, f"training seed {settings.seed}", made]
    return " · ".join(parts if run.status.state == "done" else [*parts, run.status.state])
