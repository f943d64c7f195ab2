"""Parquet files within their bounds: sizes are read from the metadata before any data is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from matrep_core import limits
from matrep_core.formulas.faults import refused
from matrep_core.formulas.workbook import BOOLEAN, DATE, NUMBER, SHOWN_OTHERWISE, TEXT


def arrow_table(path: Path, shown: str, most_rows: int = 0) -> pa.Table:
    """A Parquet file within the bounds of limits.py, its texts as dictionaries; raises DataRefused.

    ``most_rows``: 0 for MAX_ROWS.
    """
    import pyarrow.parquet as pq

    with _named(shown):
        texts = _text_columns(path, shown, most_rows or limits.MAX_ROWS, whole=True)
        return pq.read_table(path, read_dictionary=texts, use_threads=False)


def arrow_parts(path: Path, shown: str, most_rows: int) -> Iterator[pa.Table]:
    """The same in parts of at most ROWS_A_BATCH rows; a file of at most MAX_ROWS rows comes in one.

    Raises DataRefused, for later parts when they are asked for.
    """
    import pyarrow.parquet as pq

    with _named(shown):
        if pq.read_metadata(path).num_rows <= limits.MAX_ROWS or most_rows <= limits.MAX_ROWS:
            yield arrow_table(path, shown)
            return
        texts = _text_columns(path, shown, most_rows, whole=False)
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            for batch in file.iter_batches(limits.ROWS_A_BATCH, use_threads=False):
                yield pa.Table.from_batches([batch])


def rows_of(path: Path, shown: str) -> int:
    """How many rows a Parquet file has, by its metadata; raises DataRefused."""
    import pyarrow.parquet as pq

    with _named(shown):
        return int(pq.read_metadata(path).num_rows)


@contextmanager
def _named(shown: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        problem = "the file is not a Parquet file, or is damaged"
        raise refused(shown, problem, "Write it again, or save it as CSV.") from error


def _text_columns(path: Path, shown: str, most_rows: int, *, whole: bool) -> list[str]:
    """Columns of texts, which stay a dictionary until their size is known: a small file can repeat a long text a
    million times. Raises DataRefused where the file, or its largest part that is read at once, is out of bounds."""
    import pyarrow.parquet as pq

    shape = pq.read_metadata(path)
    sizes = [shape.row_group(g).total_byte_size for g in range(shape.num_row_groups)]
    unpacked = sum(sizes) if whole else max(sizes, default=0)
    within = shape.num_rows <= most_rows and shape.num_columns <= limits.MAX_COLUMNS
    if not within or unpacked > limits.MAX_PARQUET_BYTES:
        raise refused(
            shown, f"the table has {shape.num_rows:,} rows, {shape.num_columns:,} columns and "
            f"{unpacked // 2**20:,} MiB, more than is read",
            f"At most {most_rows:,} rows and {limits.MAX_COLUMNS:,} columns.",
        )  # fmt: skip
    columns = map(shape.schema.column, range(shape.num_columns))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def column_as_text(column: pa.ChunkedArray) -> tuple[pa.Array, str]:
    """A column as text, exactly, with "" for null, and its cells' kind as in ``workbook.py``.

    Raises ValueError or pa.ArrowException for types that are neither text nor number.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        lengths = [pc.max(pc.utf8_length(chunk.dictionary.cast(pa.string()))).as_py() for chunk in column.chunks]
        if max((length or 0 for length in lengths), default=0) * len(column) > limits.MAX_PARQUET_BYTES:
            raise ValueError("text too long")
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        letter = TEXT
    elif pa.types.is_integer(kind):
        letter = NUMBER
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        letter = SHOWN_OTHERWISE  # a number, but not the text of a code
        if pa.types.is_floating(kind):
            column = column.cast(pa.float64())
    elif pa.types.is_boolean(kind):
        letter = BOOLEAN
    elif pa.types.is_temporal(kind):
        letter = DATE
    else:
        raise ValueError("neither text nor number")
    text = column.cast(pa.string()).combine_chunks()
    text.validate(full=True)  # a damaged file may hold bytes that are no UTF-8
    return pc.fill_null(text, ""), letter
