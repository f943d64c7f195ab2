"""Opens an .xlsx in a process of its own, under a memory limit and a time bound.

A workbook is a zip of XML that a stranger may have packed: 4 kB can unpack to gigabytes. The parent never
parses it. It starts ``python -m matrep_core.formulas.workbook FILE``, which checks the sizes in the zip,
refuses document type declarations, and prints one JSON document a line:

    {"sheet": "formulas"}                    a sheet begins
    [3, ["0012", 12.5], "tn"]                row number, cells up to the last that is filled, one kind a cell
    {"merged": ["A2:A5"]}                    merged ranges of that sheet
    {"left_aside": ["Notes"]}                sheets that are not read, because others have the names of a data set
    {"refused": [problem, mend]}             the workbook cannot be read
    {"done": true}                           the last line of a whole answer

Only the standard library and openpyxl are imported in that process, so its memory stays small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matrep_core import limits

# One letter a cell: what the spreadsheet holds, beyond the text of the cell.
TEXT, NUMBER, SHOWN_OTHERWISE, PERCENT, DATE, BOOLEAN, ERROR, NO_VALUE = "tnfpdbex"
SHEETS = ("formulas", "properties", "materials")
SPARE_BYTES = 2**21  # what a process at its limit cannot use: its allocator asks for blocks of a MiB


class WorkbookRefused(Exception):
    """A workbook that cannot be read; args are (problem, mend)."""


def workbook_lines(path: Path) -> Iterator[Any]:
    """Yield the JSON documents listed above, without the last; raises WorkbookRefused."""
    package_root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "matrep_core.formulas.workbook", str(path.resolve())]
    environment = {**os.environ, "PYTHONPATH": str(package_root), "PYTHONIOENCODING": "utf-8", "OPENPYXL_LXML": "False"}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=package_root
        )
        over, late = threading.Event(), threading.Event()
        watch = threading.Thread(target=_watch, args=(process, over, late), daemon=True)
        watch.start()
        whole = False
        try:
            assert process.stdout is not None
            for line in process.stdout:
                # A killed process can leave half a line behind.
                document = json.loads(line) if line.endswith(b"\n") else {}
                if isinstance(document, dict) and "refused" in document:
                    raise WorkbookRefused(*document["refused"])
                whole = isinstance(document, dict) and "done" in document
                if not whole:
                    yield document
        finally:
            over.set()
            watch.join()
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    if late.is_set():
        raise WorkbookRefused(
            f"the workbook took more than {limits.WORKBOOK_SECONDS} seconds to read", "Save its sheets as CSV files."
        )
    if not whole:
        memory = limits.WORKBOOK_MEMORY_BYTES // 2**20
        raise WorkbookRefused(
            f"the workbook needs more than {memory} MiB of memory, or is damaged", "Save its sheets as CSV files."
        )


def _watch(process: subprocess.Popen[bytes], over: threading.Event, late: threading.Event) -> None:
    """Kill ``process`` once its time is over, which sets ``late``, or while it stands at its memory limit.

    CPython can be caught for ever in a MemoryError: a handler whose position it has no memory to note raises the next.
    """
    end, full = time.monotonic() + limits.WORKBOOK_SECONDS, 0
    while not over.wait(0.25):
        full = full + 1 if _size(process.pid) > limits.WORKBOOK_MEMORY_BYTES - SPARE_BYTES else 0
        if time.monotonic() > end:
            late.set()
        if late.is_set() or full == 4:
            process.kill()
            return


def _size(pid: int) -> int:
    """The bytes that a process has mapped, which its limit counts; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _print(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")


def _check_parts(path: str) -> None:
    """Refuse by the zip's own table before anything is unpacked, then look for declarations in the XML."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise WorkbookRefused(
            "the file is not an .xlsx workbook, or is locked by a password",
            "Save it again as .xlsx without a password, or as CSV."
        ) from error  # fmt: skip
    with archive:
        parts = archive.infolist()
        unpacked = sum(part.file_size for part in parts)
        if len(parts) > limits.MAX_WORKBOOK_PARTS or unpacked > limits.MAX_WORKBOOK_UNPACKED_BYTES:
            raise WorkbookRefused(
                f"the workbook unpacks to {unpacked // 2**20:,} MiB in {len(parts):,} parts, which is too large",
                "Keep the data sheets alone, or save them as CSV files.",
            )
        for part in parts:
            name = part.filename.lower()
            if name.startswith("xl/media/"):  # pictures: an SVG may declare its type
                continue
            with archive.open(part) as stream:
                before = b""
                for block in iter(lambda: stream.read(2**20), b""):
                    utf16 = block[:2] in (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00")
                    if utf16 and not before and name.endswith((".xml", ".rels")):
                        raise WorkbookRefused("its XML is not UTF-8", "Save it again from a spreadsheet program.")
                    if b"<!DOCTYPE" in before + block or b"<!ENTITY" in before + block:
                        raise WorkbookRefused(
                            "its XML declares a document type or entities", "Save it again from a spreadsheet program."
                        )
                    before = block[-16:]


def _cell(cell: dict[str, Any], formats: list[str]) -> tuple[str | int | float | None, str]:
    value, kind = cell["value"], cell["data_type"]
    if kind == "no value":
        return "", NO_VALUE
    if value is None:
        return None, TEXT
    if kind == "b":
        return str(value).upper(), BOOLEAN
    if kind == "e":
        return str(value), ERROR
    if kind == "d" or not isinstance(value, (str, int, float)):
        return str(value), DATE
    if isinstance(value, str):
        return value, TEXT
    shown_as = formats[cell["style_id"]] if cell["style_id"] < len(formats) else "General"
    if "%" in shown_as:
        return value, PERCENT
    return value, NUMBER if shown_as in ("General", "0", "@") else SHOWN_OTHERWISE


def _print_sheets(path: str) -> None:
    import warnings

    from openpyxl import load_workbook
    from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE
    from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

    class Parser(WorkSheetParser):
        """Marks formulas whose result was never stored: with data_only they look like empty cells."""

        def parse_cell(self, element: Any) -> dict[str, Any]:
            cell: dict[str, Any] = super().parse_cell(element)
            if cell["value"] is None and element.find(FORMULA_TAG) is not None:
                cell["data_type"] = "no value"
            return cell

    warnings.simplefilter("ignore")
    book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    formats = [
        BUILTIN_FORMATS.get(style.numFmtId, "General")
        if style.numFmtId < BUILTIN_FORMATS_MAX_SIZE
        else book._number_formats[style.numFmtId - BUILTIN_FORMATS_MAX_SIZE]
        for style in book._cell_styles
    ]
    named = [sheet for sheet in book.worksheets if sheet.title.strip().casefold() in SHEETS]
    if named and len(named) < len(book.worksheets):
        _print({"left_aside": [sheet.title for sheet in book.worksheets if sheet not in named]})
    for sheet in named or book.worksheets[: limits.MAX_WORKBOOK_SHEETS]:
        _print({"sheet": sheet.title})
        # The public iter_rows drops rows that are out of order and hides merged cells and formulas.
        with sheet._get_source() as source:
            parser = Parser(
                source, sheet._shared_strings, data_only=True, epoch=book.epoch,
                date_formats=book._date_formats, timedelta_formats=book._timedelta_formats,
            )  # fmt: skip
            last = 0
            for number, row in parser.parse():
                if number <= last:
                    raise WorkbookRefused("its rows are out of order", "Save it again from a spreadsheet program.")
                last = number
                values: list[str | int | float | None] = []
                kinds: list[str] = []
                for cell in row:
                    value, kind = _cell(cell, formats)
                    if value is None:
                        continue
                    gap = cell["column"] - 1 - len(values)
                    if gap < 0 or cell["column"] > limits.MAX_COLUMNS:
                        raise WorkbookRefused(
                            "its columns are out of order", "Save it again from a spreadsheet program."
                        )
                    values += [None] * gap + [value]
                    kinds += [TEXT] * gap + [kind]
                if values:
                    _print([number, values, "".join(kinds)])
        merged = getattr(parser, "merged_cells", None)
        if merged is not None:
            _print({"merged": [area.ref for area in merged.mergeCell]})
    _print({"done": True})


def main() -> None:
    """The other process: print the sheets of the workbook named on the command line."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limits.WORKBOOK_MEMORY_BYTES, limits.WORKBOOK_MEMORY_BYTES))
    except ImportError:
        pass  # Windows has no such limit; the sizes in the zip and the time bound still hold.
    sys.modules["numpy"] = None  # type: ignore[assignment]  # openpyxl would load it for nothing but its number types
    try:
        _check_parts(sys.argv[1])
        _print_sheets(sys.argv[1])
    except WorkbookRefused as refused:
        _print({"refused": list(refused.args)})
    except MemoryError:
        memory = limits.WORKBOOK_MEMORY_BYTES // 2**20
        _print({"refused": [f"the workbook needs more than {memory} MiB of memory", "Save its sheets as CSV files."]})
    except Exception as error:  # openpyxl raises many kinds for a damaged workbook; each means the same to the user
        problem = f"the workbook is damaged ({type(error).__name__})"
        _print({"refused": [problem, "Save it again from a spreadsheet program, or as CSV."]})
    sys.stdout.flush()


if __name__ == "__main__":
    main()
