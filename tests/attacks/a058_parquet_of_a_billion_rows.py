"""A Parquet file of a few kB that holds a hundred million equal rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.attacks.kit import Kit

REFUSED = "rows|cannot be read"


def attack(kit: Kit) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(6_000_000, np.int32)), pa.array(["x" * 9_000]))
    content = kit.parquet(pa.table({"formula_id": texts}))
    assert len(content) < 2**20
    kit.load_run({"data/formulas.parquet": content})
