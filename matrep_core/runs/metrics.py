"""The curves of a run: one JSON line for each recorded step, appended while it trains."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from matrep_core.runs.files import open_lines


class MetricsWriter:
    """Appends to metrics.jsonl; opened at ``kept`` lines it drops those that a killed training wrote after them."""

    def __init__(self, run: Path, kept: int):
        self.written = kept
        self._file = open_lines(run / "metrics.jsonl", kept)

    def append(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        self._file.flush()
        self.written += 1

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
