"""Faults in input files, at a length that can be read."""

from __future__ import annotations

from matrep_core.errors import DataRefused, Fault

_LONGEST_SHOWN = 120  # characters of a value or a column's name


def fault(file: str, row: int | None, column: str, value: str, problem: str, mend: str) -> Fault:
    """A Fault whose column and value are cut where they are too long to show."""
    return Fault(file, row, _short(column), _short(value), problem, mend)


def refused(file: str, problem: str, mend: str, *, row: int | None = None, value: str = "") -> DataRefused:
    """The refusal of a file for one reason that concerns it as a whole."""
    return DataRefused([fault(file, row, "", value, problem, mend)])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
