"""A Parquet file of lists inside lists."""

from __future__ import annotations

import pyarrow as pa

from tests.attacks.kit import Kit

REFUSED = "not text or number"


def attack(kit: Kit) -> None:
    kit.read(kit.parquet(pa.table({"formula_id": [[["F1"]]], "material": [["A"]], "amount": [[1.0]]})), "formulas.parquet")
