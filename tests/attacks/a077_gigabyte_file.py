"""A table of one gigabyte (a sparse file)."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "at most 200"


def attack(kit: Kit) -> None:
    path = kit.inputs / "formulas.csv"
    with path.open("wb") as file:
        file.write(b"formula_id,material,amount\n")
        file.truncate(2**30)
    kit.read_file(path)
