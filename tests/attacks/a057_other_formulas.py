"""Formulas of another data set in the place of the run's own."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from tests.attacks.kit import Kit

REFUSED = "not the data"


def attack(kit: Kit) -> None:
    table = pq.read_table(pa.BufferReader(kit.members["data/amounts.parquet"]))
    amounts = table.column("amount").to_numpy().copy()
    amounts[0] *= 0.5
    kit.load_run({"data/amounts.parquet": kit.parquet(table.set_column(2, "amount", pa.array(amounts)))})
