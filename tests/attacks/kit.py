"""What an attack is built with, and what watches that it has no effect.

Every numbered file of this folder is one attack: its docstring says what is tried, ``REFUSED`` holds words of the
refusal that it must meet, or ``HARMLESS`` says why nothing can happen. ``attack(kit)`` carries it out.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import pickle
import sys
import tempfile
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save

from matrep_core.formulas.reading import Reading, read_data
from matrep_core.runs.archive import import_run
from matrep_core.runs.store import Run

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "run-format-1.zip"
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PROPERTIES = "formula_id,property,value,unit\nF1,viscosity,12.5,mPa.s\n"


class Kit:
    """A folder to attack from (``inputs``) and an empty folder of artifacts to attack (``root``)."""

    def __init__(self, folder: Path):
        self.inputs, self.root, self.canary = folder / "inputs", folder / "artifacts", folder / "canary"
        self.inputs.mkdir()
        self.memory = Memory()
        with zipfile.ZipFile(SAMPLE) as sample:
            self.members = {n.removeprefix("sample/"): sample.read(n) for n in sample.namelist()}

    # --- runs -----------------------------------------------------------------------------------------------

    def zipped(self, contents: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
        path = self.inputs / "run.zip"
        with zipfile.ZipFile(path, "w", method) as made:
            for name, content in contents.items():
                made.writestr(name, content)
        return path

    def load(self, path: Path) -> Run:
        self.memory.begin()  # what building the attack took is not counted
        return import_run(path, self.root)

    def load_run(self, changes: Mapping[str, bytes | None] = {}, method: int = zipfile.ZIP_STORED) -> Run:
        """Load the sample with members replaced, added, or (None) taken out."""
        contents = {name: content for name, content in {**self.members, **changes}.items() if content is not None}
        return self.load(self.zipped({f"sample/{name}": content for name, content in contents.items()}, method))

    def changed(self, name: str, **fields: Any) -> bytes:
        """A JSON member with fields replaced."""
        return json.dumps({**json.loads(self.members[name]), **fields}).encode()

    def sealed(self, tensors: bytes, folder: str = "model", **facts: Any) -> dict[str, bytes]:
        """Tensors under a seal that is right: whoever forges a run can compute check sums too."""
        old = json.loads(json.loads(self.members[f"{folder if folder in ('model',) else 'step-000000060'}/manifest.json"])["body"])
        body = json.dumps(
            {"facts": {**old["facts"], **facts}, "bytes": len(tensors), "sha256": hashlib.sha256(tensors).hexdigest()}
        )
        manifest = {"body": body, "sha256": hashlib.sha256(body.encode()).hexdigest()}
        return {f"{folder}/state.safetensors": tensors, f"{folder}/manifest.json": json.dumps(manifest).encode()}

    def model(self, **tensors: np.ndarray) -> bytes:
        """The sample's model with tensors replaced."""
        from safetensors.numpy import load

        return save({**load(self.members["model/state.safetensors"]), **tensors})

    def load_model(self, **tensors: np.ndarray) -> Run:
        return self.load_run(self.sealed(self.model(**tensors)))

    def parquet(self, table: pa.Table, **options: Any) -> bytes:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, **options)
        return buffer.getvalue()

    def pickled(self) -> bytes:
        """A pickle that makes the folder ``canary`` when it is loaded."""
        return pickle.dumps(_Payload(str(self.canary)))

    # --- tables ---------------------------------------------------------------------------------------------

    def read(self, formulas: bytes | str, name: str = "formulas.csv", properties: str = PROPERTIES) -> Reading:
        """Read one file of formulas beside a file of properties."""
        path = self.inputs / name
        path.write_bytes(formulas if isinstance(formulas, bytes) else formulas.encode())
        (self.inputs / "properties.csv").write_text(properties)
        return self.read_file(path, self.inputs / "properties.csv")

    def read_file(self, *paths: Path) -> Reading:
        self.memory.begin()
        return read_data(paths)

    def workbook(self, sheet: str | bytes, extra: Mapping[str, bytes] = {}) -> Path:
        """A real workbook whose only sheet's XML is ``sheet``, with further or replaced parts."""
        book = openpyxl.Workbook()
        book.active.append(["a", "b"])
        whole = io.BytesIO()
        book.save(whole)
        path = self.inputs / "book.xlsx"
        parts = {"xl/worksheets/sheet1.xml": sheet.encode() if isinstance(sheet, str) else sheet, **extra}
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name in source.namelist():
                target.writestr(name, parts.pop(name, None) or source.read(name))
            for name, content in parts.items():
                target.writestr(name, content)
        return path

    def read_workbook(self, sheet: str | bytes, extra: Mapping[str, bytes] = {}) -> Reading:
        return self.read_file(self.workbook(sheet, extra))


class _Payload:
    def __init__(self, path: str):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def rows(*inside: str, head: str = "") -> str:
    """A sheet's XML around rows."""
    return f'{head}<worksheet xmlns="{NAMESPACE}"><sheetData>{"".join(inside)}</sheetData></worksheet>'


def row(number: int, *texts: str) -> str:
    inside = "".join(f'<c r="{c}{number}" t="inlineStr"><is><t>{t}</t></is></c>' for c, t in zip("ABCDE", texts))
    return f'<row r="{number}">{inside}</row>'


HEAD = row(1, "formula_id", "material", "amount")

# --- watching -----------------------------------------------------------------------------------------------

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NEVER = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "os.symlink", "os.link")
_NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request")


class Watch:
    """Sees through Python's audit events what happens while it is on: code run, programs started, hosts asked,
    files written outside the folder of the attack."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self._thread = threading.get_ident()
        self.effects: list[str] = []
        sys.addaudithook(self._hook)

    def __call__(self, folder: Path) -> Watch:
        self._folder, self._thread, self.effects = str(folder), threading.get_ident(), []
        return self

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder = None

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._folder is None or threading.get_ident() != self._thread:
            return
        if event in _NEVER or event in _NETWORK:
            self.effects.append(f"{event} {arguments!r}")
        elif event == "subprocess.Popen":
            if list(arguments[1][:3]) != [sys.executable, "-m", "matrep_core.formulas.workbook"]:
                self.effects.append(f"started {arguments[1]!r}")
        elif event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] and arguments[2] & _WRITES:
            path = os.path.abspath(os.fsdecode(arguments[0]))
            own = path.startswith((self._folder, "/proc/self/")) or "__pycache__" in path
            temporary = os.path.dirname(path) == tempfile.gettempdir() or path in (tempfile.gettempdir(), os.devnull)
            if not own and not (temporary and not path.endswith("outside.txt")):
                self.effects.append(f"wrote {path}")


class Memory:
    """Peak memory in MiB of this process, beyond what it held before, and of each process that it starts (Linux)."""

    def __init__(self) -> None:
        self.own = self.children = 0.0
        self._end = threading.Event()

    def begin(self) -> None:
        gc.collect()
        self._before = _status("self", "VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew

    def __enter__(self) -> Memory:
        self.begin()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def _sample(self) -> None:
        known = Path("/proc/self/task")
        while not self._end.wait(0.01):
            for task in known.iterdir():
                try:
                    children = (task / "children").read_text().split()
                except OSError:
                    continue
                for child in filter(_is_reader, children):
                    self.children = max(self.children, _status(child, "VmHWM"))

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._sampler.join()
        self.own = max(0.0, _status("self", "VmHWM") - self._before)


def _is_reader(process: str) -> bool:
    """Whether this process is already the program that opens workbooks, and no longer a copy of the one that starts it."""
    try:
        return b"matrep_core.formulas.workbook" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def _status(process: str, field: str) -> float:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":")), 0.0)
