"""Learning dynamics: all frames of a run, moved with the loss curve, coloured, measured, and beside another run."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from matrep_core.errors import MatRepError, SettingRefused
from matrep_core.views.background import Arrays, Progress
from matrep_core.views.clustering import CLUSTERS, MEMBERS, NO_CLUSTER
from matrep_core.views.dynamics import held_since, moved_most, neighbour_history
from matrep_core.views.export import spreadsheet_csv
from matrep_core.views.facts import caution
from matrep_core.views.film import Film
from matrep_ui.comparing import agreement, agreement_sentence, beside, choose_other, paired
from matrep_ui.looking import amount_range
from matrep_ui.moving import TRUST_NAMES, Look, payload_of
from matrep_ui.page import choose_run, fresh_key, from_url, link, plain, show_errors, start_page, to_url, url_selectbox
from matrep_ui.scatter import Carried, ScatterEvents, asked, carry, scatter, steer
from matrep_ui.watching import (
    ENTRIES,
    METHODS,
    PCA,
    UMAPS,
    Watch,
    answer,
    basis_of,
    film_of,
    marks_of,
    trust_of,
    trust_sentence,
    umap_possible,
    watch,
)

POLL_SECONDS = 1.5
MOVED_SHOWN = 12
Ask = Callable[[], Arrays | Film | Progress | None]
pending: dict[str, Ask] = {}  # what is still computed: its name, and how to ask again


def from_worker(name: str, ask: Ask) -> Any:
    """What ``ask`` gives; None and a note where it is on its way, None and the reason where it failed."""
    try:
        found = ask()
    except MatRepError as error:
        st.warning(f"{name}: {plain(str(error))}", icon=":material/error:")
        return None
    if isinstance(found, Progress):
        pending[name] = ask
        return None
    return found


def choose_groups(watched: Watch, method_column: DeltaGenerator, number_column: DeltaGenerator) -> Arrays | None:
    """The clusters over all steps by the method and number chosen, once they are found."""
    method = method_column.segmented_control("Clusters by", METHODS, default=METHODS[0], required=True, disabled=watched.live)
    bound = CLUSTERS if method == "KMeans" else MEMBERS
    number = number_column.number_input(
        "Number of clusters" if method == "KMeans" else "Smallest group", int(bound.low), int(bound.high),
        None if method == "KMeans" else 10, key=f"number {method}", placeholder="best silhouette", disabled=watched.live,
        help="Empty takes the number from 2 to 12 with the best silhouette at the last step." if method == "KMeans"
        else "Materials that a dense group has at least.",
    )  # fmt: skip
    if watched.live:
        return None
    return groups_of(watched, str(method), number)


def groups_of(watched: Watch, method: str, number: int | None) -> Arrays | None:
    name = f"Clusters of every step of {watched.run.id}"
    return from_worker(name, lambda: answer(watched, "groups", {"method": method, "number": number}))


def choose_basis(watched: Watch) -> int | None:
    """The frame that the PCA basis comes from; None is the last."""
    steps = [str(step) for step in watched.way.steps]
    chosen = url_selectbox(
        "PCA axes from step", ["last", *steps], "basis", default="last",
        show={"last": "the last", **{step: f"{int(step):,}" for step in steps}}.get,
        help="One basis serves all steps, so that a picture never turns by itself.",
    )  # fmt: skip
    if chosen is None:
        st.warning("The address names a step without a frame; the PCA axes come from the last one.", icon=":material/help:")
    return None if chosen in (None, "last") else steps.index(chosen)


def shown_now(watched: Watch) -> tuple[str, tuple[int, ...]]:
    """The projection and axes that the viewer shows, or will show first."""
    told = asked(view_key(watched))
    if told is not None and told.projection:
        return told.projection, told.axes
    names = {PCA, ENTRIES} | (set(UMAPS) if umap_possible(watched) else set())
    name = from_url("view") or PCA
    name = name if name in names else PCA
    width = UMAPS.get(name, watched.entries)
    axes = tuple(int(text) - 1 for text in (from_url("axes") or "").split(",") if text.isdecimal())
    fine = 1 <= len(axes) <= min(3, width) and len(set(axes)) == len(axes) and all(0 <= axis < width for axis in axes)
    return name, axes if fine else tuple(range(min(UMAPS.get(name, 2), width)))


def view_key(watched: Watch) -> str:
    """The viewer of one run starts anew where another run is chosen."""
    return f"dynamics {watched.run.id}".replace("__", "_ _")


def look_at(watched: Watch, name: str, axes: tuple[int, ...], basis_frame: int | None, groups: Arrays | None) -> Look:
    """Everything that is known of the run so far for the projection and axes shown."""
    basis, _ = basis_of(watched, basis_frame)
    entries = watched.far_entries
    if name == ENTRIES and not watched.whole and axes:
        entries = sorted(axes)
    films = {}
    for each in dict.fromkeys([PCA, *([ENTRIES] if watched.whole or watched.entries < 2 else []), name]):
        film = from_worker(each, partial(film_of, watched, each, basis, entries))
        if film is not None:
            films[each] = film
    trust = None
    if name in films:
        film = films[name]
        places = axes or tuple(range(min(2, UMAPS.get(name, watched.entries))))  # none told: the viewer takes the first two
        if name == ENTRIES and not watched.whole:
            places = tuple(range(len(places)))
        if name == ENTRIES and watched.whole:
            film = film_of(watched, ENTRIES, basis, list(range(watched.entries)))
        trust = from_worker("Trust in this picture", lambda: trust_of(watched, name, places, film))
    return Look(films, basis, entries, marks_of(watched, groups), groups, trust)


def near_of(watched: Watch, chosen: list[int]) -> dict[str, np.ndarray]:
    """The neighbours over all frames of the last selected material, where the browser cannot find them itself."""
    if watched.whole or not chosen:
        return {}
    return {watched.run.data.materials[chosen[-1]]: history_of(watched, chosen[-1])}


@st.cache_data(max_entries=256, show_spinner=False)
def _history(key: str, material: int, _watched: Watch) -> np.ndarray:
    return neighbour_history(_watched.way, np.array([material]))[:, 0]


def history_of(watched: Watch, material: int) -> np.ndarray:
    """(T, k) nearest of one material at every frame."""
    return _history(watched.way.key, material, watched)


def filled(table: pd.DataFrame) -> pd.DataFrame:
    """The table without the columns in which nothing stands."""
    return table[[name for name in table.columns if (table[name].astype(str) != "").any() or table.empty]]


def about_selected(watched: Watch, chosen: list[int], frame: int) -> None:
    """The last selected material at this step: facts, length, neighbours and since when each has been one."""
    st.subheader("Selected material", anchor=False)
    if not chosen:
        st.write("Click a point, draw around some, or search for a code or an INCI name.")
        return
    row, way = watched.facts.iloc[chosen[-1]], watched.way
    st.text(" · ".join(text for text in (row["material"], row["inci"], row["function"] or "function unknown") if text))
    length = way.length(frame, chosen[-1])
    st.text(
        f"training formulas: {row['support']:,} · amounts there: {amount_range(row['low'], row['high'])} · "
        f"length of its vector at step {way.steps[frame]:,}: {length:.3g}"
    )
    if caution(row["support"]):
        st.caption(f"{caution(row['support']).capitalize()}: so little training hardly places it.")
    history = history_of(watched, chosen[-1])
    since = held_since(history[:, None])[:, 0]
    known = history[frame] >= 0
    near = watched.facts.iloc[history[frame][known]]
    st.dataframe(
        filled(pd.DataFrame({
            "nearest": near["material"], "since step": way.steps[since[frame][known]], "INCI name": near["inci"],
            "function": near["function"], "support": near["support"],
        })),
        hide_index=True, height=250, column_config={"since step": st.column_config.NumberColumn(format="localized")},
    )  # fmt: skip
    st.caption(
        f"The nearest in the original space at step {way.steps[frame]:,} (Euclidean distance), and the step since which each "
        "has been one without a break."
    )
    address = {"run": watched.run.id, "material": row["material"]}
    with st.container(horizontal=True):
        link("similar", "Similar materials", **address)
        link("materials", "On the map", **address)


def most_moved(watched: Watch, marks: tuple[int, ...], frame: int) -> None:
    """What moved most between the two marked steps, or from the start to this step."""
    way = watched.way
    first, last = sorted(way.frame_of(step) for step in marks) if len(marks) == 2 else (0, frame)
    st.subheader("Moved most", anchor=False)
    if first == last:
        st.write("Move to a later step, or set the two marks on the loss curve.")
        return
    indices, distances = moved_most(way, first, last, MOVED_SHOWN)
    rows = watched.facts.iloc[indices]
    picked = st.dataframe(
        filled(pd.DataFrame({
            "material": rows["material"], "distance": distances, "INCI name": rows["inci"], "function": rows["function"],
            "support": rows["support"],
        })),
        hide_index=True, height=250, on_select="rerun", selection_mode="multi-row", key=fresh_key("moved", f"{watched.run.id} {first} {last}"),
        column_config={"distance": st.column_config.NumberColumn(format="%.3g")},
    )  # fmt: skip
    st.caption(
        f"From step {way.steps[first]:,} to step {way.steps[last]:,}, in the original space. "
        + ("" if len(marks) == 2 else "Set marks A and B on the loss curve for other steps.")
    )
    wanted = [rows["material"].iloc[place] for place in picked.selection.rows if place < len(rows)]
    if wanted and st.session_state.get("moved picked") != wanted:
        st.session_state["moved picked"] = wanted
        steer(view_key(watched), selected=wanted)
        st.rerun(scope="fragment")


def table_of(watched: Watch, look: Look, events: ScatterEvents, frame: int, chosen: list[int]) -> pd.DataFrame:
    """The points shown, or the selected ones, as a table of this step."""
    named = {"inci": "INCI name", "low": "least amount (weight-%)", "high": "largest amount (weight-%)"}
    table = watched.facts.rename(columns=named).assign(step=int(watched.way.steps[frame]))
    film = look.films.get(events.projection or "")
    if film is not None:
        for place, values in enumerate(film.coordinates(frame).T):
            table[film.axes[place]] = values
    if look.groups is not None:
        for name, labels in (("cluster at the last step", look.groups["labels"][-1]), ("cluster", look.groups["labels"][frame])):
            table[name] = pd.array(np.where(labels == NO_CLUSTER, 0, labels + 1), "Int64")
            table.loc[labels == NO_CLUSTER, name] = pd.NA
    if look.trust is not None:
        for name, values in zip(TRUST_NAMES, look.trust["each"][:, frame], strict=True):
            table[name] = values
    return table.iloc[chosen] if chosen else table


def take_away(watched: Watch, look: Look, events: ScatterEvents, frame: int, chosen: list[int]) -> None:
    """The table of what is shown, as files; pictures and the offline page are saved by the viewer itself."""
    name = f"dynamics-{watched.run.id}-step-{watched.way.steps[frame]}"
    what = f"{len(chosen):,} selected materials" if chosen else f"all {len(watched.facts):,} materials"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{what} at step {watched.way.steps[frame]:,}:")
        st.download_button(
            "CSV", lambda: spreadsheet_csv(table_of(watched, look, events, frame, chosen)), f"{name}.csv", "text/csv",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Parquet", lambda: parquet(table_of(watched, look, events, frame, chosen)), f"{name}.parquet",
            "application/vnd.apache.parquet", icon=":material/download:", on_click="ignore",
        )  # fmt: skip


def parquet(table: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    table.to_parquet(out, index=False)
    return out.getvalue()


def honesty(watched: Watch, look: Look, frame: int) -> None:
    """How far to trust what is on the screen now."""
    step = int(watched.way.steps[frame])
    if look.trust is not None:
        st.write(trust_sentence(look.trust, frame, step))
    elif watched.live:
        st.write("How far the picture can be trusted is measured when the training is done.")
    elif "Trust in this picture" in pending:
        st.write("How far this picture can be trusted is still being measured; it will be said here.")
    else:
        st.write("Too few materials trained to say how far this picture can be trusted.")
    hollow = int((~watched.way.trained).sum())
    if hollow:
        st.caption(f"{hollow:,} hollow points are in no training formula: they stand where the random start put them.")


def remember(watched: Watch, events: ScatterEvents) -> None:
    """Write what is shown into the address."""
    last = int(watched.way.steps[-1])
    to_url(
        view=events.projection if events.projection != PCA else None,
        axes=",".join(str(axis + 1) for axis in events.axes) if tuple(events.axes) != (0, 1) else None,
        step=events.step if events.step != last else None, colour=events.colour,
    )  # fmt: skip
    if st.query_params.get_all("material") != list(events.selected[-20:]):
        st.query_params["material"] = list(events.selected[-20:])


def start_step(watched: Watch) -> int | None:
    text = from_url("step") or ""
    return int(text) if text.isdecimal() and len(text) < 12 else None


@st.fragment(run_every=POLL_SECONDS)
def follow(watched: Watch, waiting: dict[str, Ask]) -> None:
    """Look again until what is computed or trained is there; then the page runs again."""
    if watched.live:
        if watch(watched.run) is not watched:
            st.rerun()
        status = watched.run.status()
        st.info(
            f"This run is training: step {status.step:,} of {status.steps:,}. New steps join the picture as they come.",
            icon=":material/progress_activity:",
        )  # fmt: skip
    told = []
    for name, ask in waiting.items():
        with show_errors():
            found = ask()
            if not isinstance(found, Progress):
                st.rerun()
            told.append(f"{name} ({'waiting' if found.share is None else format(found.share, '.0%')})")
    if told:
        st.caption(plain("Still being computed, once: " + "; ".join(told) + "."))


start_page(
    "Dynamics",
    "Each point is a raw material. Move along the loss curve below the picture and watch training carry the materials from "
    "one place to groups that act alike.",
)
with show_errors():
    run_column, other_column = st.columns(2)
    with run_column:
        run = choose_run()
    with other_column:
        other = choose_other(run)
    watched = watch(run)
    method_column, number_column, basis_column = st.columns([1, 1, 1], vertical_alignment="bottom")
    groups = choose_groups(watched, method_column, number_column)
    with basis_column:
        basis_frame = choose_basis(watched)
    projection, axes = shown_now(watched)
    look = look_at(watched, projection, axes, basis_frame, groups)
    pair = second = common = None
    if other is not None:
        try:
            pair = paired(watched, watch(other))
        except SettingRefused:
            st.warning(
                "The two runs share fewer than two materials that trained in both, so that they cannot be laid onto each "
                "other. Choose a run of the same materials to compare with.", icon=":material/join_inner:",
            )  # fmt: skip
    if pair is not None:
        common = from_worker("Common neighbours of the two runs", lambda: agreement(pair))
        if common is not None:
            look = replace(look, common=common["share"])
        second = beside(pair, look.basis, groups, None)
    carried = carry(payload_of(watched, look), key=view_key(watched))
    carried_second = carry(payload_of(pair.other, second), key=view_key(pair.other)) if pair and second else None


def view(watched: Watch, carried: Carried, *, linked: bool, first: bool) -> ScatterEvents:
    """One viewer, with the run it shows above it where there are two."""
    shown = watched.run
    if linked:
        st.text(f"{shown.settings.property} · N_entries {shown.settings.n_entries} · seed {shown.settings.seed} · {shown.id}")
    told = asked(view_key(watched))
    index = shown.data.material_index
    selected = [code for code in (told.selected if told else st.query_params.get_all("material")) if code in index]
    chosen = [index[code] for code in selected]
    return scatter(
        carried, key=view_key(watched), height=540, selected=selected, step=start_step(watched), colour=from_url("colour"),
        axes=axes if first else axes[:2], projection=projection if first else PCA, near=near_of(watched, chosen),
        link="dynamics" if linked else "", scrubber=first, label=f"Materials of {shown.id} over the training steps",
        caption=f"{shown.data_name}, {shown.id}",
    )  # fmt: skip


@st.fragment
@show_errors()
def explore() -> None:
    """The picture and what is said of it: a click or a release of the scrubber reruns these alone."""
    if carried_second is None:
        events = view(watched, carried, linked=False, first=True)
    else:
        left, right = st.columns(2)
        with left:
            events = view(watched, carried, linked=True, first=True)
        with right:
            view(pair.other, carried_second, linked=True, first=False)
    remember(watched, events)
    if events.wanted or (events.projection, events.axes) != (projection, axes):
        st.rerun()  # another picture: what travels and how far it can be trusted changes
    frame = len(watched.way) - 1 if events.step is None else watched.way.frame_of(events.step)
    chosen = [run.data.material_index[code] for code in events.selected if code in run.data.material_index]
    honesty(watched, look, frame)
    if pair is not None:
        st.write(agreement_sentence(pair, common, frame))
    selected_column, moved_column = st.columns(2)
    with selected_column, st.container(border=True):
        about_selected(watched, chosen, frame)
    with moved_column, st.container(border=True):
        most_moved(watched, events.marks, frame)
    take_away(watched, look, events, frame, chosen)


follow_place = st.container()
explore()
with follow_place, show_errors():
    if watched.live or pending:
        follow(watched, dict(pending))
with show_errors():
    if look.events:
        st.subheader("What happened, and when", anchor=False)
        st.dataframe(
            pd.DataFrame([{"step": event.step, "event": event.name, "how it shows": event.why} for event in look.events]),
            hide_index=True, column_config={"step": st.column_config.NumberColumn(format="localized")},
        )  # fmt: skip
