"""Merging look-alikes on the page What if: groups to tick and edit, the trial before and after, the mapping to take along."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from matrep_core.errors import SettingRefused
from matrep_core.formulas.storage import save_dataset
from matrep_core.runs.store import Run, artifacts_root
from matrep_core.views.background import Arrays, Progress
from matrep_core.views.cache import content_key
from matrep_core.views.facts import RARE
from matrep_core.whatif.bench import Bench
from matrep_core.whatif.lookalikes import Group, Proposal, propose
from matrep_core.whatif.merge import Groups, checked, mapping, merged
from matrep_core.whatif.trial import SPLITS, WORDS, answer, start, verdict
from matrep_core.wording import measured, signed
from matrep_ui.asking import value_columns
from matrep_ui.likeness import file_name
from matrep_ui.looking import material_labels
from matrep_ui.page import link, plain, show_errors
from matrep_ui.taking import downloads

POLL_SECONDS = 1.5
USUAL_SPLITS = 5
FUNCTIONS = {"yes": "same function", "partly": "function partly the same", "no": "another function"}


@st.cache_data(max_entries=8, show_spinner="Looking for codes that act alike …")
def _proposed(key: str, _bench: Bench, most: int, together: bool) -> Proposal:
    return propose(_bench.similarity, _bench.asked[0].name, most, together=together)


def show_merge(bench: Bench) -> None:
    """From the proposal to the mapping: groups, trial, verdict, export."""
    run = bench.run
    st.caption(
        f"Codes that act alike for {plain(run.settings.property)}, as groups that could become one code each. Tick and edit them, then see "
        "what merging them does to the error on formulas that did not train."
    )
    left, right = st.columns(2, vertical_alignment="bottom")
    most = int(left.number_input("Groups shown at most", 1, 100, 12))
    together = right.checkbox(
        "Also codes that are often used together", help="Off: two codes that meet in a fifth of their formulas or more are never merged.",
    )  # fmt: skip
    found = _proposed(f"{run.path} {content_key({'v': run.vectors()})}", bench, most, together)
    _show_unprovable(found)
    chosen = _chosen_groups(bench, found)
    groups = checked(run.data, chosen, together=together) if any(len(codes) > 1 for codes in chosen.values()) else {}
    if not groups:
        st.info("Tick a group, or make one of your own; what merging does is then measured.", icon=":material/merge:")
        return
    after = merged(run.data, groups)
    st.write(f"**{len(run.data.materials):,} codes become {len(after.materials):,}.**")
    _show_trial(run, groups, together)
    st.write("**Mapping**: which code becomes which, with INCI names and the number of formulas.")
    table = mapping(run.data, groups)
    names = {"old_code": "old code", "new_code": "new code", "old_inci": "old INCI name", "new_inci": "new INCI name",
             "old_support": "formulas with the old", "new_support": "formulas with the new"}  # fmt: skip
    st.dataframe(table.rename(columns=names), hide_index=True)
    downloads(table, file_name("mapping", run.settings.property, run), key="mapping")
    if st.button("Keep the merged formulas as a data set", icon=":material/save:"):
        words = [f"{', '.join(olds)} became {new}." for new, olds in groups.items()]
        saved = save_dataset(after, words, artifacts_root())
        st.success("Kept. Train a model of it like of any other data set.", icon=":material/check:")
        link("data", "Open the merged data set", data=saved)


def _show_unprovable(found: Proposal) -> None:
    if not len(found.unprovable):
        return
    count = len(found.unprovable)
    with st.expander(f"{count:,} of {found.materials:,} codes cannot be judged", icon=":material/help:"):
        st.write(
            f"They are in at most {RARE} training formulas: nothing can show whether they act like another code. They are merged only "
            "where you add them yourself. Nearest is the one that is used most alike."
        )
        st.dataframe(
            found.unprovable, hide_index=True,
            column_config={"inci": "INCI name", "support": "training formulas", "nearest": "nearest by use"},
        )  # fmt: skip


def _chosen_groups(bench: Bench, found: Proposal) -> dict[str, tuple[str, ...]]:
    """The ticked groups as they were edited: the code most used takes the others in."""
    index, support = bench.data.material_index, bench.data.support
    label = material_labels(bench.run).__getitem__
    taken: list[list[str]] = []
    for number, group in enumerate(found.groups, 1):
        with st.container(border=True):
            ticked = st.checkbox(f"Merge group {number}", value=not group.against, key=f"tick {group.codes}")
            near = [code for other in found.groups for code in other.codes if code not in group.codes]
            codes = st.multiselect(
                f"Codes of group {number}", [*group.codes, *near], list(group.codes), format_func=label, key=f"codes {group.codes}",
                label_visibility="collapsed", placeholder="Choose codes",
            )  # fmt: skip
            st.caption(_alike(group, bench))
            if group.against:
                st.caption(f":material/warning: Against it: {plain(group.against)}.")
        if ticked:
            taken.append(codes)
    own = st.multiselect(
        "A group of your own", bench.data.materials, format_func=label, key=f"own codes {bench.run.id}", placeholder="Choose codes",
        help="Any codes that you know to be one material, also rare ones.",
    )  # fmt: skip
    groups: dict[str, tuple[str, ...]] = {}
    for codes in [*taken, own]:
        if codes:
            kept = max(codes, key=lambda code: support[index[code]])
            if kept in groups:
                raise SettingRefused("groups", kept, "it is in two groups; take it out of one.")
            groups[kept] = tuple(codes)
    return groups


def _alike(group: Group, bench: Bench) -> str:
    """What speaks for a group, in a line."""
    asked = bench.asked[0]
    parts = [f"distance {group.distance:.3g}", f"the swap changes {plain(asked.name)} by {group.change:+.2f} SD"]
    parts.append(f"{group.agree} of {group.models} models call them alike" if group.models > 1 else "one model alone")
    if group.function:
        parts.append(FUNCTIONS[group.function])
    return " · ".join(parts)


def _show_trial(run: Run, groups: Groups, together: bool) -> None:
    """Start, progress and outcome of the trial."""
    with st.form("trial", border=False):
        left, right = st.columns([1, 2], vertical_alignment="bottom")
        splits = int(left.number_input("Splits", int(SPLITS.low), int(SPLITS.high), USUAL_SPLITS, help="More splits tell smaller differences from noise."))
        asked = right.form_submit_button("Train before and after", icon=":material/model_training:", type="primary")
    root = artifacts_root()
    if asked:
        start(root, run, groups, splits, together=together)
    found = answer(root, run, groups, splits)
    if isinstance(found, Progress):
        st.fragment(_progress, run_every=POLL_SECONDS)(run, dict(groups), splits)
    elif found is not None:
        _show_outcome(run, groups, found)
    else:
        st.caption("Each split is trained twice, with the codes apart and merged, on the same formulas; this goes on in the background.")


def _progress(run: Run, groups: dict[str, tuple[str, ...]], splits: int) -> None:
    with show_errors():
        found = answer(artifacts_root(), run, groups, splits)
    if not isinstance(found, Progress):
        st.rerun()
    words = "It waits for its turn." if found.share is None else f"Training before and after: {round(found.share * splits)} of {splits} splits are done."
    st.progress(found.share or 0.0, words + " You may leave this page; it goes on.")


def _show_outcome(run: Run, groups: Groups, found: Arrays) -> None:
    told = verdict(run, groups, found)
    verdicts = set(told.measures["verdict"])
    show = st.warning if WORDS["worse"] in verdicts else st.success if WORDS["better"] in verdicts else st.info
    show(plain(told.sentence), icon=":material/balance:")
    st.dataframe(_in_words(told.measures), hide_index=True)
    with st.expander("Split by split, and group by group", icon=":material/table_rows:"):
        st.write("Errors of every split; the same formulas evaluate before and after.")
        st.dataframe(told.splits, hide_index=True, column_config={c: w for name in told.measures["measure"] for c, w in value_columns("", name).items()})
        st.write(f"Mean absolute error{plain(f' ({run.unit})') if run.unit else ''} of the measurements whose formula holds a code of the group, over all splits.")
        st.dataframe(
            told.groups.rename(columns={"new_code": "new code", "old_codes": "old codes"}), hide_index=True, placeholder="none evaluated",
            column_config=value_columns(run.unit),
        )  # fmt: skip
    downloads(told.splits, file_name("merge splits", run.settings.property, run), key="merge splits")


def _in_words(measures: pd.DataFrame) -> pd.DataFrame:
    shown = measures[["measure", "before", "after", "verdict"]].copy()
    pairs = zip(measures["low95"], measures["high95"], strict=True)
    shown.insert(3, "difference, 95 % interval", [f"{signed(low)} to {signed(high)}" if pd.notna(low) else "one split" for low, high in pairs])
    return shown.assign(before=measures["before"].map(measured), after=measures["after"].map(measured))
