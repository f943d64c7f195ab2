"""Numbered rows to a FormulaSet: what the rows say together is checked here, all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core import limits
from matrep_core.formulas.faults import fault
from matrep_core.formulas.rows import Gathered, sums_within
from matrep_core.formulas.schema import MEASUREMENT_COLUMNS, SCALES, FormulaSet, Property

LOG_SPAN = 100.0  # a property that spans two decades or more is modelled on the log scale


@dataclass(eq=False)
class _Amounts:
    """E amounts, sorted by formula, part, material and row."""

    formula: np.ndarray
    material: np.ndarray
    amount: np.ndarray
    part: np.ndarray
    table: np.ndarray
    row: np.ndarray

    def take(self, which: np.ndarray) -> _Amounts:
        return _Amounts(*(array[which] for array in vars(self).values()))

    def sorted_by(self, *keys: np.ndarray) -> _Amounts:
        """Sorted by the last of the keys, then by the one before it; itself where it is sorted already."""
        order = np.lexsort(keys)
        return self if np.array_equal(order, np.arange(len(order))) else self.take(order)


def assemble(gathered: Gathered, name: str) -> FormulaSet | None:
    """The set, or None where ``gathered.faults`` then holds what is wrong."""
    gathered.faults.extend(
        gathered.formulas.look_alikes() + gathered.materials.look_alikes() + gathered.properties.look_alikes()
    )
    if not gathered.entries or not gathered.formulas.index:
        gathered.faults.append(
            fault(name, None, "", "", "there is no formula in it", "Give formulas with their materials and amounts.")
        )
        return None
    if gathered.zeros:
        gathered.notes.append(
            f"Amounts of 0 left out, because the material is then not in the formula: {gathered.zeros:,}."
        )
    entries = _amounts(gathered)
    entries = _without_repeats(entries, gathered)
    entries = _with_sums(entries, gathered)
    measurements, properties = _measurements(gathered, name)
    if gathered.faults:
        return None

    codes = np.array(list(gathered.materials.index), object)
    used = np.unique(entries.material)
    order = np.array(sorted(used.tolist(), key=lambda m: codes[m]), np.int64)
    position = np.full(len(codes), -1, np.int64)
    position[order] = np.arange(len(order))
    shape = (len(gathered.formulas.index), len(order))
    amounts = csr_array((entries.amount, (entries.formula, position[entries.material])), shape=shape)
    amounts.sort_indices()
    info = _material_info(gathered, position, len(order))
    if info is None:
        return None
    _note_near_twins(gathered)
    return FormulaSet(
        name, tuple(gathered.formulas.index), tuple(codes[order].tolist()), amounts, measurements, info, properties
    )


# --- amounts ------------------------------------------------------------------------------------------------


def _amounts(gathered: Gathered) -> _Amounts:
    all_ = gathered.entries
    joined = _Amounts(
        *(np.concatenate([getattr(e, key) for e in all_]) for key in ("formula", "material", "amount", "part")),
        np.repeat(np.arange(len(all_), dtype=np.int32), [len(e.row) for e in all_]),
        np.concatenate([e.row for e in all_]),
    )
    return joined.sorted_by(joined.row, joined.material, joined.part, joined.formula)


def _without_repeats(entries: _Amounts, gathered: Gathered) -> _Amounts:
    """At most one amount a formula and material: repeats are refused, kept once where identical, or summed."""
    same = (np.diff(entries.formula) == 0) & (np.diff(entries.part) == 0) & (np.diff(entries.material) == 0)
    repeats = np.flatnonzero(same) + 1
    if len(repeats) and not gathered.options.sum_duplicates:
        for r in repeats.tolist():
            file, row = gathered.entries[entries.table[r]].file, int(entries.row[r])
            formula, material = _names(gathered, entries, r)
            gathered.faults.append(
                fault(file, row, "material", material,
                      f"the material stands in formula {formula} already (row {int(entries.row[r - 1])})",
                      "Remove one of the rows, or choose to sum amounts of the same material (--sum-duplicates).")
            )  # fmt: skip
        gathered.broken.update(np.unique(entries.formula[repeats]).tolist())
    elif len(repeats):
        gathered.notes.append(
            f"Amounts added to an earlier amount of the same material in the same formula: {len(repeats):,}."
        )
    entries = _sum(entries, np.concatenate([[True], ~same]) if len(entries.formula) else np.zeros(0, bool))
    entries = _merge_parts(entries, gathered)
    entries = entries.sorted_by(entries.part, entries.material, entries.formula)
    first = np.ones(len(entries.formula), bool)
    first[1:] = (np.diff(entries.formula) != 0) | (np.diff(entries.material) != 0)
    return _sum(entries, first)


def _sum(entries: _Amounts, first: np.ndarray) -> _Amounts:
    """One amount for each run that begins where ``first`` is true, at the place of its first row."""
    starts = np.flatnonzero(first)
    if len(starts) == len(first):
        return entries
    summed = entries.take(starts)
    summed.amount = np.add.reduceat(entries.amount, starts)
    return summed


def _merge_parts(entries: _Amounts, gathered: Gathered) -> _Amounts:
    """Formulas in several parts (files, or rows of wide tables): identical ones once, others summed or refused."""
    if not len(entries.formula):
        return entries
    begins = np.ones(len(entries.formula), bool)
    begins[1:] = (np.diff(entries.formula) != 0) | (np.diff(entries.part) != 0)
    starts = np.flatnonzero(begins)  # G groups, one a formula and part
    sizes = np.diff(np.append(starts, len(begins)))
    formula = entries.formula[starts]
    leads = np.ones(len(starts), bool)
    leads[1:] = np.diff(formula) != 0
    if leads.all():
        return entries
    leader = np.maximum.accumulate(np.where(leads, np.arange(len(starts)), 0))  # the group's first part of that formula
    group = np.repeat(np.arange(len(starts)), sizes)
    inside = np.arange(len(begins)) - starts[group]
    twin = np.minimum(starts[leader[group]] + inside, len(begins) - 1)
    equal = (entries.material == entries.material[twin]) & (entries.amount == entries.amount[twin])
    identical = ~leads & (sizes == sizes[leader]) & np.logical_and.reduceat(equal, starts)
    differs = ~leads & ~identical
    if identical.any():
        gathered.notes.append(f"Formulas given again with the same content and kept once: {int(identical.sum()):,}.")
    if differs.any() and not gathered.options.sum_duplicates:
        for g in np.flatnonzero(differs).tolist():
            r, other = int(starts[g]), int(starts[leader[g]])
            place = f"{gathered.entries[entries.table[other]].file}, row {int(entries.row[other])}"
            gathered.faults.append(
                fault(gathered.entries[entries.table[r]].file, int(entries.row[r]), "formula_id",
                      _names(gathered, entries, r)[0],
                      f"the formula stands with other content in {place}",
                      "Keep one of them, give them different ids, or choose to sum their amounts (--sum-duplicates).")
            )  # fmt: skip
        gathered.broken.update(formula[differs].tolist())
    elif differs.any():
        count = len(np.unique(formula[differs]))
        gathered.notes.append(
            f"Formulas put together from several files or rows, amounts of the same material summed: {count:,}."
        )
    return entries.take(~identical[group])


def _names(gathered: Gathered, entries: _Amounts, r: int) -> tuple[str, str]:
    return (
        gathered.formulas.first(int(entries.formula[r])), gathered.materials.first(int(entries.material[r]))
    )  # fmt: skip


def _with_sums(entries: _Amounts, gathered: Gathered) -> _Amounts:
    """Amounts whose sums are 100 ± 0.5: refused, rescaled or completed where they are not."""
    options, count = gathered.options, len(gathered.formulas.index)
    sums = np.bincount(entries.formula, weights=entries.amount, minlength=count)
    refused = ~sums_within(sums, options) if not options.rescale else sums <= 0
    refused |= sums <= 0
    for f in np.flatnonzero(refused).tolist():
        if f not in gathered.broken:
            file, row, column = gathered.formulas.first_seen[f]
            wide = file in gathered.wide_files
            problem = f"the amounts of formula {gathered.formulas.first(f)} do not sum to 100 ± 0.5"
            gathered.faults.append(
                fault(
                    file,
                    row,
                    "" if wide else "amount",
                    f"{sums[f]:.10g}",
                    problem,
                    _mend_of_sum(sums[f], wide, gathered),
                )
            )
    if options.rescale and not refused.any():
        off = np.abs(sums - limits.AMOUNT_SUM) > 1e-6
        if off.any():
            gathered.notes.append(
                f"Formulas rescaled to 100: {int(off.sum()):,}; "
                f"their sums were {sums[off].min():.6g} to {sums[off].max():.6g}."
            )
            factor = np.where(off, limits.AMOUNT_SUM / np.where(refused, 1, sums), 1.0)
            entries.amount = entries.amount * factor[entries.formula]
    if options.complete_with:
        entries = _completed(entries, sums, gathered)
    return entries


def _mend_of_sum(total: float, wide: bool, gathered: Gathered) -> str:
    ways = ["mend the amounts"]
    if wide:
        ways.append("name columns that are no materials as properties or conditions")
    if not gathered.options.rescale and not gathered.options.complete_with:
        ways.append("rescale (--rescale)")
        if total < limits.AMOUNT_SUM:
            ways.append("name a material that completes them (--complete-with)")
    sentence = " or ".join([", ".join(ways[:-1]), ways[-1]]) if len(ways) > 1 else ways[0]
    return sentence[0].upper() + sentence[1:] + "."


def _completed(entries: _Amounts, sums: np.ndarray, gathered: Gathered) -> _Amounts:
    filler = gathered.options.complete_with.strip()
    known = gathered.materials.index
    if filler not in known:
        near = [code for code in known if code.casefold() == filler.casefold()]
        if near:
            gathered.faults.append(
                fault(gathered.entries[0].file, None, "", filler,
                      "the material that completes the amounts is written otherwise in the data",
                      f"Write it as {near[0]}.")
            )  # fmt: skip
            return entries
        gathered.materials.add(filler, ("the option complete with", 0, ""))
    missing = np.flatnonzero(sums < limits.AMOUNT_SUM - limits.AMOUNT_TOLERANCE)
    missing = missing[[f not in gathered.broken for f in missing.tolist()]]
    if not len(missing):
        return entries
    gap = limits.AMOUNT_SUM - sums[missing]
    gathered.notes.append(
        f"Formulas completed to 100 with {filler}: {len(missing):,}; "
        f"each got {gap.min():.6g} to {gap.max():.6g} weight-%."
    )
    material = np.full(len(missing), known[filler])
    nowhere = np.zeros(len(missing), np.int64)
    longer = _Amounts(
        *(np.concatenate(pair) for pair in zip(
            vars(entries).values(), (missing, material, gap, nowhere + gathered.parts, nowhere, nowhere)
        ))
    )  # fmt: skip
    longer = longer.sorted_by(longer.part, longer.material, longer.formula)
    first = np.ones(len(longer.formula), bool)
    first[1:] = (np.diff(longer.formula) != 0) | (np.diff(longer.material) != 0)
    return _sum(longer, first)


# --- measurements -------------------------------------------------------------------------------------------


def _measurements(gathered: Gathered, name: str) -> tuple[pd.DataFrame, tuple[Property, ...]]:
    tables = [m for m in gathered.measured if len(m.value)]
    if not tables:
        if not gathered.faults:  # otherwise the values may be among what is at fault
            gathered.faults.append(
                fault(name, None, "", "", "there is no measured value in it, so there is nothing to learn",
                      "Give properties, or name the property columns of the wide table (--property).")
            )  # fmt: skip
        return pd.DataFrame(), ()
    names = list(gathered.properties.index)
    frame = pd.DataFrame({
        "formula": np.concatenate([m.formula for m in tables]),
        "property": np.concatenate([m.property for m in tables]),
        "value": np.concatenate([m.value for m in tables]),
        "unit": np.concatenate([m.unit for m in tables]),
    })  # fmt: skip
    conditions = list(dict.fromkeys(c for m in tables for c in m.conditions))
    for column in conditions:
        frame[column] = np.concatenate([m.conditions.get(column, np.full(len(m.value), np.nan)) for m in tables])
        if column in gathered.properties.index:
            gathered.faults.append(
                fault(
                    tables[0].file,
                    1,
                    column,
                    "",
                    "a property and a condition have the same name",
                    "Give the column another name.",
                )
            )
    part = np.concatenate([m.part for m in tables])
    table = np.repeat(np.arange(len(tables)), [len(m.value) for m in tables])
    row = np.concatenate([m.row for m in tables])
    scale = np.concatenate([m.scale for m in tables])

    def at(place: int, column: str, value: str, problem: str, mend: str) -> None:
        gathered.faults.append(fault(tables[table[place]].file, int(row[place]), column, value, problem, mend))

    properties = []
    for p in pd.unique(frame["property"]).tolist():
        places = np.flatnonzero(frame["property"].to_numpy() == p)
        values = frame["value"].to_numpy()[places]
        unit = _one_text(frame["unit"].to_numpy()[places])
        for q in places[frame["unit"].to_numpy()[places] != unit].tolist():
            at(q, "unit", str(frame["unit"].iloc[q]), f"the property {names[p]} has the unit {unit!r} elsewhere",
               "Convert the values to one unit, or give the property another name.")  # fmt: skip
        told = scale[places]
        chosen = _one_text(told[told != ""]) if (told != "").any() else ""
        for q in places[(told != "") & ((told != chosen) | ~np.isin(told, SCALES))].tolist():
            at(
                q,
                "scale",
                str(scale[q]),
                f"the property {names[p]} needs one scale of {', '.join(SCALES)}",
                "Write one of them in all its rows.",
            )
        for q in places[(values <= 0) & (chosen == "log") | (values < 0) & (chosen == "sqrt")].tolist():
            at(
                q,
                "value",
                repr(float(frame["value"].iloc[q])),
                f"the value does not fit the scale {chosen}",
                "Choose the scale linear.",
            )
        if not chosen:
            wide = values.min() > 0 and values.max() >= LOG_SPAN * values.min()
            chosen = "log" if wide else "linear"
            why = (
                "all values are above 0 and span two decades or more" if wide
                else "the values span less than two decades, or not all are above 0"
            )  # fmt: skip
            gathered.notes.append(f"{names[p]}: {len(values):,} values, scale {chosen}, because {why}.")
        else:
            gathered.notes.append(f"{names[p]}: {len(values):,} values, scale {chosen}, as the file says.")
        properties.append(Property(names[p], unit, chosen))

    frame = frame[_first_time(frame, part, gathered)].reset_index(drop=True)
    frame["formula"] = frame["formula"].astype(np.int64)
    frame["property"] = pd.array([names[p] for p in frame["property"].tolist()], dtype="str")
    frame["unit"] = pd.array(frame["unit"].tolist(), dtype="str")
    return frame[[*MEASUREMENT_COLUMNS, *conditions]], tuple(properties)


def _one_text(texts: np.ndarray) -> str:
    """The most frequent text; of equally frequent ones the first."""
    distinct, first, counts = np.unique(texts.astype(str), return_index=True, return_counts=True)
    return str(distinct[np.lexsort((first, -counts))[0]])


def _first_time(frame: pd.DataFrame, part: np.ndarray, gathered: Gathered) -> np.ndarray:
    """Which measurements to keep: what an earlier file or wide row gave identically is no second measurement."""
    if len(np.unique(part)) == 1:
        return np.ones(len(frame), bool)
    same = frame.groupby(list(frame.columns), dropna=False, sort=False).ngroup().to_numpy()
    earliest = np.full(same.max() + 1, part.max() + 1)
    np.minimum.at(earliest, same, part)
    kept: np.ndarray = part == earliest[same]
    if not kept.all():
        gathered.notes.append(
            f"Measurements given identically by an earlier file or row and kept once: {int((~kept).sum()):,}."
        )
    return kept


# --- materials ----------------------------------------------------------------------------------------------


def _material_info(gathered: Gathered, position: np.ndarray, count: int) -> pd.DataFrame | None:
    columns: dict[str, list[str]] = {}
    unused: set[int] = set()
    for table in gathered.described:
        rows = [(r, int(position[m]), m) for r, m in enumerate(table.material.tolist()) if m >= 0]
        unused.update(m for _, place, m in rows if place < 0)
        for name, texts in table.columns.items():
            column = columns.setdefault(name, [""] * count)
            for r, place, _ in rows:
                if place < 0 or not texts[r]:
                    continue
                if column[place] and column[place] != texts[r]:
                    gathered.faults.append(
                        fault(table.file, int(table.row[r]), name, texts[r],
                              f"another file says {column[place]!r} of this material",
                              "Make both say the same.")
                    )  # fmt: skip
                column[place] = texts[r]
    if unused:
        gathered.notes.append(f"Described materials left out because they occur in no formula: {len(unused):,}.")
    if gathered.described:
        told = {int(position[m]) for table in gathered.described for m in table.material.tolist() if m >= 0}
        silent = count - len(told - {-1})
        if silent:
            gathered.notes.append(
                f"Materials of formulas that no file describes, their columns stay empty: {silent:,}."
            )
    if gathered.faults:
        return None
    return pd.DataFrame(
        {name: pd.array(column, dtype="str") for name, column in columns.items()}, index=pd.RangeIndex(count)
    )


def _note_near_twins(gathered: Gathered) -> None:
    for codes in (gathered.formulas, gathered.materials, gathered.properties):
        twins = codes.near_twins()
        if twins:
            shown = "; ".join(twins[:5]) + ("; …" if len(twins) > 5 else "")
            gathered.notes.append(
                f"Look twice: {len(twins):,} groups of {codes.sort} codes differ only in capitals or leading zeros "
                f"and are read as different: {shown}."
            )
