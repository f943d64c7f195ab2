"""Files to a FormulaSet, or DataRefused with every fault: the one door through which data comes in.

Three shapes are read, and may be mixed where several paths are given:

- a folder with ``formulas``, ``properties`` and perhaps ``materials``, each .csv .tsv .txt .xlsx or .parquet,
- a workbook with sheets of those names,
- a wide table: a row a formula, a column a material; the options name its property and condition columns.

Loose files are recognised by their headers. Whatever is chosen, left out or put together stands in
``Reading.decisions``; nothing is corrected in silence.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matrep_core import limits
from matrep_core.errors import DataRefused, Fault, SettingRefused
from matrep_core.formulas.assembly import assemble
from matrep_core.formulas.decoding import ENCODINGS
from matrep_core.formulas.faults import fault, refused
from matrep_core.formulas.rows import (
    FORMULA_NAMES,
    Gathered,
    ReadingOptions,
    gather_formulas,
    gather_materials,
    gather_properties,
    gather_wide,
    split_unit,
)
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.tables import DELIMITERS, SUFFIXES, Table, read_tables
from matrep_core.formulas.workbook import SHEETS

__all__ = ["Reading", "ReadingOptions", "read_data", "wide_columns"]

_WIDE = "wide"
_GATHER = {
    "formulas": gather_formulas, "properties": gather_properties, "materials": gather_materials, _WIDE: gather_wide,
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """A set and how it was read: one sentence a decision."""

    data: FormulaSet
    decisions: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    path: Path
    shown: str
    role: str  # of SHEETS, or "" where the content decides


def read_data(
    paths: Sequence[Path], options: ReadingOptions = ReadingOptions(), names: Mapping[Path, str] | None = None,
    most_rows: int = 0,
) -> Reading:  # fmt: skip
    """Read folders, workbooks and tables into one set.

    ``names`` gives the names by which messages call files, where those on disk say nothing (uploads).
    ``most_rows`` bounds a Parquet table of amounts, 0 for MAX_ROWS; one of more than MAX_ROWS rows is read in parts, so that
    its text is never held whole.
    Raises DataRefused with every fault of all files, SettingRefused for an option that cannot be.
    """
    _check(options)
    names = names or {}
    gathered = Gathered(options)
    tables = _tables(paths, names, gathered, most_rows)
    # Measurements name formulas, so formulas come first whatever the order of the files.
    for role in (*SHEETS[:1], _WIDE, *SHEETS[1:]):
        for each, table in tables:
            # Without any formula every measurement would be called unknown; the cause is told already.
            if each == role and (role != "properties" or gathered.formulas.index or not gathered.faults):
                _GATHER[role](table, gathered)
    _check_wide_columns(tables, options, gathered)
    name = _name_of_set(paths, names)
    data = assemble(gathered, name) if gathered.entries or not gathered.faults else None
    if data is None or gathered.faults:
        raise DataRefused(_shown(gathered.faults))
    return Reading(data, tuple(gathered.notes))


def wide_columns(
    paths: Sequence[Path], options: ReadingOptions = ReadingOptions(), names: Mapping[Path, str] | None = None
) -> list[str]:
    """The columns of the wide tables among these files, so that one can choose which are properties.

    Empty where no file is a wide table; what else may be wrong with the files is left to ``read_data``.
    """
    _check(options)
    tables = _tables(paths, names or {}, Gathered(options), 0)
    return list(dict.fromkeys(header for role, table in tables if role == _WIDE for header in table.headers))


def _tables(paths: Sequence[Path], names: Mapping[Path, str], gathered: Gathered, most_rows: int) -> list[tuple[str, Table]]:
    """All tables with what they hold; a file that cannot be read becomes faults of ``gathered``."""
    options = gathered.options
    tables: list[tuple[str, Table]] = []
    expected = {
        "formula_id", "formula", "id", "material", "amount", "property", "value", "unit",
        *(name.strip().casefold() for name in (*options.property_columns, options.formula_id_column)),
    }  # fmt: skip
    for source in _sources(paths, names, gathered):
        try:
            found = read_tables(source.path, source.shown, options.encoding, options.delimiter, expected, most_rows)
            tables.extend(_whole_unless_amounts(_with_roles(source, found)))
        except DataRefused as refusal:
            gathered.faults.extend(refusal.faults)
    return tables


def _whole_unless_amounts(tables: list[tuple[str, Table]]) -> list[tuple[str, Table]]:
    """The tables; raises DataRefused where one that is read in parts holds anything else than formulas."""
    for role, table in tables:
        if table.further is not None and role != SHEETS[0]:
            problem = f"the table has more than {limits.MAX_ROWS:,} rows"
            raise refused(table.file, problem, "Only amounts (formula_id, material, amount) may be that many. Split the data set.")
    return tables


def _check(options: ReadingOptions) -> None:
    choices = {
        "encoding": ("auto", *ENCODINGS),
        "delimiter": ("auto", *DELIMITERS, *DELIMITERS.values()),
        "decimal": ("auto", "point", "comma"),
    }
    for field, allowed in choices.items():
        if getattr(options, field) not in allowed:
            raise SettingRefused(field, getattr(options, field), f"choose one of {', '.join(map(repr, allowed))}.")
    if options.rescale and options.complete_with:
        mend = "amounts are either rescaled or completed, not both."
        raise SettingRefused("complete_with", options.complete_with, mend)
    twice = {split_unit(c)[0] for c in options.property_columns} & {split_unit(c)[0] for c in options.condition_columns}
    if twice:
        mend = f"{min(twice)} is named as a property too."
        raise SettingRefused("condition_columns", options.condition_columns, mend)
    ids = options.formula_id_column
    if ids and ids in (*options.property_columns, *options.condition_columns):
        raise SettingRefused("formula_id_column", ids, "it is named as a property or condition too.")


def _name_of_set(paths: Sequence[Path], names: Mapping[Path, str]) -> str:
    """The folder's or the files' names; files called formulas, properties and materials tell nothing."""
    stems = [names.get(path, Path(path).resolve().name) for path in paths]
    stems = [stem if Path(path).is_dir() else Path(stem).stem for path, stem in zip(paths, stems)]
    telling = [stem for stem in stems if stem.casefold() not in SHEETS]
    return " + ".join(dict.fromkeys(telling)) or "formulas"


# --- which files, and what they hold ------------------------------------------------------------------------


def _sources(paths: Sequence[Path], names: Mapping[Path, str], gathered: Gathered) -> list[_Source]:
    sources = []
    for path in map(Path, paths):
        shown = names.get(path, path.name)
        if path.is_dir():
            sources += _in_folder(path, f"{path.resolve().name}/" if len(paths) > 1 else "", gathered)
        elif not path.is_file():
            gathered.faults.append(
                fault(str(shown), None, "", "", "there is no such file or folder", "Check the path.")
            )
        elif path.suffix.lower() not in SUFFIXES:
            mend = f"Give one of {', '.join(SUFFIXES)}."
            gathered.faults.append(fault(shown, None, "", path.suffix, "files of this kind are not read", mend))
        else:
            sources.append(_Source(path, shown, ""))
    if not paths:
        gathered.faults.append(fault("data", None, "", "", "no file was given", "Give a folder or at least one file."))
    return sources


def _in_folder(folder: Path, prefix: str, gathered: Gathered) -> list[_Source]:
    found: dict[str, list[Path]] = {role: [] for role in SHEETS}
    others = []
    for path in sorted(folder.iterdir()):
        role = path.stem.casefold()
        if role in found and path.suffix.lower() in SUFFIXES and path.is_file():
            found[role].append(path)
        else:
            others.append(path.name)
    for role, paths in found.items():
        if len(paths) > 1:
            problem = f"{prefix}{paths[0].name} holds {role} too"
            gathered.faults.append(fault(prefix + paths[1].name, None, "", "", problem, "Keep one of them."))
    shown_name = prefix.removesuffix("/") or folder.resolve().name
    if not found["formulas"]:
        listed = ", ".join(others + [path.name for paths in found.values() for path in paths][:10]) or "nothing"
        mend = "Name it formulas.csv, .tsv, .txt, .xlsx or .parquet."
        gathered.faults.append(fault(shown_name, None, "", listed, "the folder has no formulas file", mend))
    sources = [_Source(paths[0], prefix + paths[0].name, role) for role, paths in found.items() if paths]
    read = ", ".join(source.path.name for source in sources)
    if others:
        gathered.notes.append(f"{shown_name}: {read} were read; left aside: {', '.join(others)}.")
    return sources


def _with_roles(source: _Source, tables: list[Table]) -> list[tuple[str, Table]]:
    """What each table of a file holds; raises DataRefused where several sheets have no names that say it."""
    named = [(table.sheet.strip().casefold(), table) for table in tables if table.sheet.strip().casefold() in SHEETS]
    if source.role:
        chosen = [table for role, table in named if role == source.role] or tables
        if len(chosen) == 1:
            return [(source.role, chosen[0])]
    elif named:
        return named
    elif len(tables) == 1:
        return [(_role_by_headers(tables[0]), tables[0])]
    sheets = ", ".join(table.sheet for table in tables)
    problem = "the workbook has several sheets, and their names do not say what they hold"
    raise refused(source.shown, problem, f"Name the sheets {', '.join(SHEETS)}, or keep one.", value=sheets)


def _role_by_headers(table: Table) -> str:
    def has(*names: str) -> bool:
        return table.position(*names) is not None

    if has(*FORMULA_NAMES) and has("material") and has("amount"):
        return "formulas"
    if has(*FORMULA_NAMES) and has("property") and has("value"):
        return "properties"
    if has("material") and not has("amount") and not has(*FORMULA_NAMES):
        return "materials"
    return _WIDE


def _check_wide_columns(tables: list[tuple[str, Table]], options: ReadingOptions, gathered: Gathered) -> None:
    """Every property and condition that was named must be a column somewhere."""
    headers = {text for _, table in tables for header in table.headers for text in (header, split_unit(header)[0])}
    for name in (*options.property_columns, *options.condition_columns):
        if unicodedata.normalize("NFC", name.strip()) not in headers and tables:
            shown = ", ".join(tables[0][1].headers)
            mend = "Name a column that is there."
            gathered.faults.append(fault(tables[0][1].file, 1, name, shown, "there is no column of this name", mend))


def _shown(faults: Sequence[Fault]) -> list[Fault]:
    """At most limits.MAX_FAULTS_SHOWN faults, each once, by file and row, and a last one that counts the rest."""
    order = {file: place for place, file in enumerate(dict.fromkeys(each.file for each in faults))}
    distinct = sorted(dict.fromkeys(faults), key=lambda each: (order[each.file], each.row or 0))
    if len(distinct) <= limits.MAX_FAULTS_SHOWN:
        return distinct
    shown = distinct[: limits.MAX_FAULTS_SHOWN]
    rest = len(distinct) - len(shown)
    problem = f"{rest:,} further places are at fault"
    return [*shown, fault(shown[-1].file, None, "", "", problem, "Mend these first, then read again.")]
