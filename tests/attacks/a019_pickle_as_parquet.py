"""A pickle in the place of the formulas."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not a Parquet file"


def attack(kit: Kit) -> None:
    kit.load_run({"data/formulas.parquet": kit.pickled()})
