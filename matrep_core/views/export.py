"""Tables that leave for a spreadsheet: whatever a material is called, a cell never becomes a formula there."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from matrep_core.errors import RunBroken
from matrep_core.runs.archive import write_archive
from matrep_core.runs.store import Run

# At the start of a cell, and after what starts a cell where a spreadsheet cuts at semicolons (as German ones do),
# whose quotes then begin in the middle of a cell and do not hold. The last four are the signs in full width.
_STARTS_A_FORMULA = re.compile(r"^(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])")


def inert(text: str) -> str:
    """``text`` with an apostrophe before every place where a spreadsheet would begin a formula."""
    return _STARTS_A_FORMULA.sub("'", text)


def spreadsheet_csv(table: pd.DataFrame) -> bytes:
    """``table`` without its index as UTF-8 CSV with a byte order mark, which spreadsheets need to see UTF-8.

    Texts, also headers, that a spreadsheet would run as a formula (they begin with = + - @, a tab or a
    line break, or do so after a semicolon) get an apostrophe there. Every text is quoted; numbers stay numbers.
    """
    safe = table.copy()
    for place, name in enumerate(table.columns):
        if not pd.api.types.is_numeric_dtype(table.dtypes.iloc[place]):
            safe.isetitem(place, table.iloc[:, place].astype("string").map(inert, na_action="ignore"))
    safe.columns = [inert(str(name)) for name in table.columns]
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


# --- a whole run ---------------------------------------------------------------------------------------------


def export_run(run: Run, folder: Path) -> list[Path]:
    """Write vectors.csv, predictions.csv, frames.parquet and <run id>.zip into ``folder``; returns their paths.

    The run is not changed. The CSV files are for spreadsheets; codes stand as they are in the Parquet file. Raises NotThere where it has no finished model, RunBroken where the disk refuses.
    """
    vectors, predictions, names = run.vectors(), run.predictions(), _entry_names(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(vectors, columns=names)
        table.insert(0, "material", list(run.data.materials))
        table.insert(1, "support", run.support)
        paths = [folder / name for name in ("vectors.csv", "predictions.csv", "frames.parquet", f"{run.id}.zip")]
        paths[0].write_bytes(spreadsheet_csv(table))
        paths[1].write_bytes(spreadsheet_csv(predictions.assign(unit=run.unit)))
        _write_frames(run, paths[2])
        write_archive(run, paths[3])
    except OSError as error:
        raise RunBroken(f"{folder.name} cannot be written: {error.strerror}. Choose another folder.") from None
    return paths


def _entry_names(run: Run) -> list[str]:
    return [f"entry_{n + 1}" for n in range(run.settings.n_entries)]


def _write_frames(run: Run, path: Path) -> None:
    """All frames as one Parquet table, a row group a frame: step, material, entry_1 ... entry_N."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    frames = run.frames()
    materials = pa.array(list(run.data.materials), pa.string())
    schema = pa.schema([("step", pa.int64()), ("material", pa.string()), *((n, pa.float32()) for n in _entry_names(run))])
    with pq.ParquetWriter(path, schema) as writer:
        for number, step in enumerate(frames.steps):
            vectors = frames.vectors(number)
            columns = [pa.array(np.full(len(materials), step)), materials, *(pa.array(c) for c in vectors.T)]
            writer.write_table(pa.table(columns, schema=schema))
