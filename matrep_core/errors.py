"""Everything that MatRep refuses, one class a cause.

    MatRepError                 one sentence for the user: what is wrong, where, and the mend
    ├── DataRefused             tables that cannot be read as formulas; carries every fault
    ├── SettingRefused          a setting outside its bound, or one that does not fit the data
    ├── NotThere                an unknown run, material, formula, data set or step
    ├── RunBroken               a run or checkpoint that fails its own check sums
    ├── RunBusy                 another process is writing this run
    ├── TrainingStopped         the loss or a gradient stopped being a number
    └── NotReached              another machine, a scheduler or a store, does not answer

The command line prints ``str(error)`` and exits with 1; a page shows it in place of its content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MatRepError(Exception):
    """A cause that the user can mend; its text is the whole message."""


@dataclass(frozen=True)
class Fault:
    """One place at fault in an input file.

    ``row`` counts as the file's own program shows it: the header is row 1. ``None`` means that the
    fault concerns the file as a whole. ``value`` is the text as it stands in the file.
    """

    file: str
    row: int | None
    column: str
    value: str
    problem: str
    mend: str

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file}, row {self.row}"
        if self.column:
            place += f", column {self.column}"
        shown = f" ({self.value!r})" if self.value else ""
        return f"{place}: {self.problem}{shown}. {self.mend}"


class DataRefused(MatRepError):
    """The data was not read; ``faults`` lists every row at fault, ``str()`` the same as text."""

    def __init__(self, faults: Sequence[Fault]):
        self.faults = tuple(faults)
        count = len(self.faults)
        head = f"The data was refused: {count} {'place' if count == 1 else 'places'} to mend."
        super().__init__("\n".join([head, *(f"- {fault}" for fault in self.faults)]))


class SettingRefused(MatRepError):
    """A setting that cannot be used; names the field, the value and the mend."""

    def __init__(self, field: str, value: object, mend: str):
        self.field, self.value = field, value
        super().__init__(f"{field} = {value!r} cannot be used: {mend}")


class NotThere(MatRepError):
    """Something was asked for by a name that is not known."""


class RunBroken(MatRepError):
    """A file of a run does not hold what its manifest says."""


class RunBusy(MatRepError):
    """The run's lock is held by another process."""


class TrainingStopped(MatRepError):
    """Training met a loss or gradient that is not finite; names the step and the formulas."""


class NotReached(MatRepError):
    """A scheduler, its workers or an object store do not answer, or no longer."""
