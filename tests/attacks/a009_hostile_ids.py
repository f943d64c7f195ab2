"""The same names, and more, as the id of a run or a data set in the address of a page."""

from __future__ import annotations

from matrep_core.errors import MatRepError
from matrep_core.formulas.storage import dataset_decisions, delete_dataset, open_dataset
from matrep_core.runs.store import delete_run, open_run, runs_folder
from tests.attacks.a008_hostile_run_names import NAMES
from tests.attacks.kit import Kit

HARMLESS = "no text leads out of the store"


def attack(kit: Kit) -> None:
    runs_folder(kit.root).mkdir(parents=True)
    (kit.root / "datasets").mkdir()
    for name in (*NAMES, "../datasets", "a/../..", "/etc", "/etc/passwd", "\\\\host\\share", "file:///etc", "con", "a" * 300):
        for door in (open_run, delete_run, open_dataset, delete_dataset, dataset_decisions):
            try:
                door(kit.root, name)
            except MatRepError:
                continue
            raise AssertionError(f"{door.__name__} took {name!r}")
