"""Several codes as one: the merged set, the mapping that leaves and comes back, and what may be merged.

Groups travel as a mapping from the new code to the old ones; the amounts of merged codes are summed in every formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.errors import DataRefused, Fault, NotThere, SettingRefused
from matrep_core.formulas.schema import FormulaSet
from matrep_core.views.export import inert
from matrep_core.views.facts import find_material, info_texts
from matrep_core.views.neighbours import shared_counts
from matrep_core.whatif.lookalikes import OFTEN

Groups = Mapping[str, tuple[str, ...]]  # new code -> the old codes that it stands for
COLUMNS = ("old_code", "new_code")


def checked(data: FormulaSet, groups: Groups, *, together: bool = False) -> dict[str, tuple[str, ...]]:
    """The groups that change something, each code once; ``together`` allows codes that are often used in one formula.

    Raises NotThere for an unknown code, SettingRefused for a code in two groups, a new code that is another
    material, codes often used together, and where nothing is left to merge.
    """
    found: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for new, olds in groups.items():
        olds = tuple(dict.fromkeys(olds))
        for old in olds:
            find_material(data, old)
            if old in owner:
                raise SettingRefused("groups", old, f"it is in two groups, those of {owner[old]} and of {new}; take it out of one.")
            owner[old] = new
        if len(olds) > 1 or olds and olds[0] != new:
            found[new] = olds
    for new, olds in found.items():
        if not new.strip():
            raise SettingRefused("groups", new, f"the group of {olds[0]} has no new code; name one.")
        if new in data.material_index and new not in olds:
            raise SettingRefused("groups", new, "the new code is another material; add that to the group, or name another code.")
    if not any(len(olds) > 1 for olds in found.values()):
        raise SettingRefused("groups", "none", "nothing is merged; tick a group of two codes or more.")
    if not together:
        _refuse_often_together(data, found)
    return found


def _refuse_often_together(data: FormulaSet, groups: Groups) -> None:
    uses = data.support
    for olds in groups.values():
        for number, one in enumerate(olds):
            a = data.material_index[one]
            shared = shared_counts(data, a)
            for other in olds[number + 1 :]:
                b = data.material_index[other]
                fewer = min(uses[a], uses[b])
                if shared[b] >= max(1, OFTEN * fewer):
                    raise SettingRefused(
                        "groups", f"{one}, {other}",
                        f"{shared[b]} of {fewer} formulas hold both, so each has a part of its own there. "
                        "Take one out, or allow codes that are often used together.",
                    )  # fmt: skip


def merged(data: FormulaSet, groups: Groups) -> FormulaSet:
    """``data`` with every group under its new code: amounts summed, facts of the new code or else of the most used one.

    A fact that it lacks comes from the next most used. Formulas and measurements stay as they are.
    """
    new_of = {old: new for new, olds in groups.items() for old in olds}
    codes = sorted({new_of.get(code, code) for code in data.materials})
    place = {code: number for number, code in enumerate(codes)}
    column = np.array([place[new_of.get(code, code)] for code in data.materials])
    joins = csr_array((np.ones(len(column)), (np.arange(len(column)), column)), shape=(len(column), len(codes)))
    amounts = csr_array(data.amounts @ joins)
    amounts.sort_indices()
    own = np.array([code not in place for code in data.materials])  # the new code's own facts come first
    order = np.lexsort((-data.support, own, column))
    facts = data.material_info.iloc[order].fillna("").replace("", pd.NA).groupby(column[order], sort=True).first().fillna("")
    facts = facts.reindex(columns=data.material_info.columns).reset_index(drop=True)
    return replace(data, name=f"{data.name}, merged", materials=tuple(codes), amounts=amounts, material_info=facts)


def mapping(data: FormulaSet, groups: Groups) -> pd.DataFrame:
    """One row an old code of ``groups``: old_code, new_code, old_inci, new_inci, old_support, new_support (all formulas)."""
    after = merged(data, groups)
    inci = {d: dict(zip(d.materials, info_texts(d, "inci"), strict=True)) for d in (data, after)}
    support = {d: dict(zip(d.materials, d.support.tolist(), strict=True)) for d in (data, after)}
    rows = [
        {"old_code": old, "new_code": new, "old_inci": inci[data][old], "new_inci": inci[after][new],
         "old_support": support[data][old], "new_support": support[after][new]}
        for new, olds in groups.items() for old in olds
    ]  # fmt: skip
    return pd.DataFrame(rows)


def read_mapping(content: bytes, data: FormulaSet, file: str = "mapping.csv") -> dict[str, tuple[str, ...]]:
    """The groups of a mapping as ``mapping`` writes it; further columns are passed over.

    Raises DataRefused with the line at fault: no text, a missing column or cell, an unknown code, a code twice.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(file, None, "", "", "it is no UTF-8 text", "Save it as CSV UTF-8.") from None
    known = {code: code for code in data.materials} | {inert(code): code for code in data.materials}
    groups: dict[str, list[str]] = {}
    seen: set[str] = set()
    try:
        for row in csv.DictReader(io.StringIO(text, newline=""), strict=True):
            line = len(seen) + 2
            missing = [name for name in COLUMNS if not row.get(name)]
            if missing:
                raise _refused(file, line, missing[0], "", "there is no such cell", "Give old_code and new_code in every row.")
            old = known.get(row["old_code"])
            if old is None:
                raise _refused(file, line, "old_code", row["old_code"], "this material is not known", "Take the row out, or correct the code.")
            if old in seen:
                raise _refused(file, line, "old_code", old, "this code comes twice", "Keep one of the rows.")
            seen.add(old)
            groups.setdefault(known.get(row["new_code"], row["new_code"]), []).append(old)
    except csv.Error as error:
        raise _refused(file, None, "", "", f"it is no CSV file: {error}", "Save it as CSV UTF-8.") from None
    if not groups:
        raise NotThere(f"{file} names no codes to merge. Give old_code and new_code, a row a code.")
    return {new: tuple(olds) for new, olds in groups.items()}


def _refused(file: str, line: int | None, column: str, value: str, problem: str, mend: str) -> DataRefused:
    return DataRefused([Fault(file, line, column, value[:80], problem, mend)])
