"""A Parquet file whose pandas metadata name a pickle."""

from __future__ import annotations

import pyarrow as pa

from tests.attacks.kit import Kit

HARMLESS = "metadata are not read"


def attack(kit: Kit) -> None:
    table = pa.table({"formula_id": ["F1"], "material": ["A"], "amount": [100.0]})
    table = table.replace_schema_metadata({b"pandas": kit.pickled()})
    kit.read(kit.parquet(table), "formulas.parquet")
