"""A Parquet file whose schema carries a pickled type, which old versions of Arrow unpickled."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from tests.attacks.kit import Kit

REFUSED = "another format"


def attack(kit: Kit) -> None:
    field = pa.field("formula_id", pa.string(), metadata={
        b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": kit.pickled(),
    })
    ids = pq.read_table(pa.BufferReader(kit.members["data/formulas.parquet"])).column(0).combine_chunks()
    table = pa.Table.from_arrays([ids], schema=pa.schema([field]))
    kit.load_run({"data/formulas.parquet": kit.parquet(table)})
