"""A table of formulas in Parquet that repeats a long text four million times."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.attacks.kit import Kit

REFUSED = "not text or number"


def attack(kit: Kit) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(4_000_000, np.int32)), pa.array(["x" * 9_000]))
    kit.read(kit.parquet(pa.table({"formula_id": texts, "material": texts})), "formulas.parquet")
