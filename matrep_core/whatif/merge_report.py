"""Look-alikes proposed, merged and tried, as a document and as text, for the command line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.storage import write_csv_folder
from matrep_core.runs.store import Run
from matrep_core.similarity.evidence import similarity_of
from matrep_core.views.export import spreadsheet_csv
from matrep_core.whatif.lookalikes import Group, Proposal, propose
from matrep_core.whatif.merge import Groups, checked, mapping, merged, read_mapping
from matrep_core.whatif.report import plain_rows
from matrep_core.whatif.trial import SPLITS, trial, verdict

MAPPING, DATA = "mapping.csv", "data"


def merge_report(
    run: Run, chosen: Path | None, most: int, together: bool, splits: int, out: Path | None, tell: Callable[[float], None]
) -> tuple[dict[str, Any], str]:
    """Propose groups, or take those of the mapping ``chosen``; train ``splits`` of them before and after (0: none).

    ``out`` is a new folder for mapping.csv and the merged data. Raises SettingRefused, NotThere and DataRefused as
    ``checked`` and ``read_mapping`` do, and where ``out`` exists already or cannot be written.
    """
    if splits:
        SPLITS.check("splits", splits)
    if out and out.exists():
        raise SettingRefused("out", str(out), "it exists already; choose a new folder.")
    proposal, groups = _groups(run, chosen, most, together)
    document: dict[str, Any] = {"run": str(run.path), "property": run.settings.property, "materials": len(run.data.materials)}
    lines: list[str] = []
    if proposal:
        document["groups"] = [asdict(group) for group in proposal.groups]
        document["unprovable"] = plain_rows(proposal.unprovable)
        lines += _proposed(proposal)
    document["mapping"] = plain_rows(mapping(run.data, groups)) if groups else []
    if not groups:
        return {**document, "trial": None}, "\n".join([*lines, "No group has nothing against it, so nothing is merged. Choose one with --groups."])
    after = merged(run.data, groups)
    lines.append(f"Merged: {len(run.data.materials):,} codes become {len(after.materials):,}.")
    lines += [f"  {', '.join(olds)} -> {new}" for new, olds in groups.items()]
    document["trial"] = None
    if splits:
        with tempfile.TemporaryDirectory() as folder:
            told = verdict(run, groups, trial(run, groups, splits, Path(folder) / "splits", tell))
        document["trial"] = {"sentence": told.sentence, **{name: plain_rows(getattr(told, name)) for name in ("measures", "splits", "groups")}}
        lines.append(told.sentence)
    if out:
        _write(run, groups, out)
        lines.append(f"Wrote {out / MAPPING} and the merged formulas to {out / DATA}.")
    return document, "\n".join(lines)


def _groups(run: Run, chosen: Path | None, most: int, together: bool) -> tuple[Proposal | None, dict[str, tuple[str, ...]]]:
    if chosen is None:
        proposal = propose(similarity_of(run), run.settings.property, most, together=together)
        sure = {group.codes[0]: group.codes for group in proposal.groups if not group.against}
        return proposal, checked(run.data, sure, together=together) if sure else {}
    try:
        content = chosen.read_bytes()
    except OSError as error:
        raise NotThere(f"{chosen} cannot be read: {error.strerror}.") from None
    return None, checked(run.data, read_mapping(content, run.data, chosen.name), together=together)


def _write(run: Run, groups: Groups, out: Path) -> None:
    try:
        out.mkdir(parents=True)
        (out / MAPPING).write_bytes(spreadsheet_csv(mapping(run.data, groups)))
        write_csv_folder(merged(run.data, groups), out / DATA)
    except OSError as error:
        raise SettingRefused("out", str(out), f"it cannot be written ({error.strerror}).") from None


def _proposed(proposal: Proposal) -> list[str]:
    sure = [group for group in proposal.groups if not group.against]
    lines = [f"{len(sure)} of {len(proposal.groups)} groups of look-alikes have nothing against them:"]
    lines += [f"  {'' if not group.against else 'doubtful '}{in_words(group)}" for group in proposal.groups]
    if count := len(proposal.unprovable):
        lines.append(f"{count:,} of {proposal.materials:,} codes are in at most 2 training formulas: nothing can show whether they act like another.")
    return lines


def in_words(group: Group) -> str:
    """One line: the codes, how alike they are, and what speaks against them."""
    parts = [f"distance {group.distance:.3g}", f"swap {group.change:+.2f} standard deviations", f"{group.agree} of {group.models} models call them alike"]
    if group.function:
        parts.append({"yes": "same function", "partly": "function partly the same", "no": "another function"}[group.function])
    return f"{', '.join(group.codes)}: " + ", ".join(parts) + (f". Against it: {group.against}" if group.against else "")
