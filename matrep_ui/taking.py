"""Tables that leave: CSV, Excel and Parquet downloads, and codes for the clipboard."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from matrep_core.views.export import parquet_bytes, spreadsheet_csv, spreadsheet_xlsx

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def downloads(table: pd.DataFrame, name: str, *, key: str) -> None:
    """Buttons that save ``table`` as CSV, Excel or Parquet; ``name`` is the file's name without its ending.

    The files are made when they are asked for. No cell of them is run as a formula by a spreadsheet.
    """
    kinds = (
        ("Export as CSV", "csv", "text/csv", spreadsheet_csv),
        ("Excel", "xlsx", _XLSX, spreadsheet_xlsx),
        ("Parquet", "parquet", "application/vnd.apache.parquet", parquet_bytes),
    )
    with st.container(horizontal=True):
        for label, ending, kind, made in kinds:
            st.download_button(
                label, lambda made=made: made(table), f"{name}.{ending}", kind, on_click="ignore",
                icon=":material/download:", key=f"{key} {ending}",
            )  # fmt: skip


def clipboard(codes: Sequence[str]) -> None:
    """The codes, one a line, in a box with a button that copies them."""
    st.code("\n".join(codes), language=None, height=min(200, 40 + 24 * max(1, len(codes))))
