"""Tables that leave for a spreadsheet: whatever a material is called, a cell never becomes a formula there."""

from __future__ import annotations

import csv
import io

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


def spreadsheet_xlsx(table: pd.DataFrame) -> bytes:
    """``table`` without its index as one sheet. Every text is stored as text, so that none is run as a formula.

    Control characters, which a workbook cannot hold, are left out.
    """
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("MatRep")

    def cell(value: object) -> object:
        if value is None or value is pd.NA or value != value:
            return None
        if isinstance(value, str):
            shown = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value))
            shown.data_type = "s"
            return shown
        return value.item() if hasattr(value, "item") else value

    sheet.append([cell(str(name)) for name in table.columns])
    for row in table.itertuples(index=False, name=None):
        sheet.append([cell(value) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """``table`` without its index as Parquet; texts stay as they are, because Parquet holds no formulas."""
    return table.to_parquet(None, index=False, engine="pyarrow")
