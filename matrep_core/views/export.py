"""Tables that leave for a spreadsheet: whatever a material is called, a cell never becomes a formula there."""

from __future__ import annotations

import csv

import pandas as pd

_STARTS_A_FORMULA = r"^(?=[=+\-@\t\r\n])"


def spreadsheet_csv(table: pd.DataFrame) -> bytes:
    """``table`` without its index as UTF-8 CSV with a byte order mark, which spreadsheets need to see UTF-8.

    Texts, also headers, that a spreadsheet would run as a formula (they begin with = + - @, a tab or a
    line break) get an apostrophe before them. Every text is quoted; numbers stay numbers.
    """
    safe = table.copy()
    for place, name in enumerate(table.columns):
        if not pd.api.types.is_numeric_dtype(table.dtypes.iloc[place]):
            texts = table.iloc[:, place].astype("string").str.replace(_STARTS_A_FORMULA, "'", regex=True)
            safe.isetitem(place, texts)
    safe.columns = pd.Index(table.columns).astype("string").str.replace(_STARTS_A_FORMULA, "'", regex=True)
    return safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode("utf-8-sig")
