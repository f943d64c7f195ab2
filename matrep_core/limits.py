"""Every bound of MatRep in one table: settings that a user chooses and files that a user gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matrep_core.errors import SettingRefused

AMOUNT_SUM = 100.0  # weight-%
AMOUNT_TOLERANCE = 0.5  # weight-%, a formula's sum may differ from 100 by this much

MAX_UPLOAD_BYTES = 200 * 2**20
MAX_ROWS = 5_000_000  # a table
MAX_STREAMED_ROWS = 50_000_000  # amounts of a Parquet file named on the command line; 50 million take about 5 GB
ROWS_A_BATCH = 1_000_000  # of a Parquet file that is read in parts
MAX_COLUMNS = 20_000  # a wide table has a column a material
MAX_CELL_CHARACTERS = 10_000
MAX_FAULTS_SHOWN = 1_000
WORKBOOK_MEMORY_BYTES = 300 * 2**20  # address space of the process that parses a workbook; a million rows take 131 MiB
WORKBOOK_SECONDS = 300
MAX_WORKBOOK_UNPACKED_BYTES = 2**30
MAX_WORKBOOK_PARTS = 5_000
MAX_WORKBOOK_SHEETS = 50
MAX_PARQUET_BYTES = 2 * 2**30  # unpacked
MAX_RUN_ARCHIVE_BYTES = 2 * 2**30  # an uploaded run, unpacked
MAX_RUN_ARCHIVE_MEMBERS = 1_000
MAX_STUDY_FILES = 50_000  # a study in an object store, and its bytes
MAX_STUDY_BYTES = 20 * 2**30
MAX_RUN_TEXT_BYTES = 64 * 2**20  # a JSON file of an uploaded run
MAX_RUN_LINES_BYTES = 2**20  # its curves, or the index of its frames: at most a few hundred short lines
MAX_CACHE_BYTES = 2**30  # results kept below artifacts/cache; the longest unused go first
MAX_NEIGHBOURS = 1_000


@dataclass(frozen=True)
class Bound:
    """The values that one number may take, both ends included; ``whole`` numbers are never rounded."""

    low: float
    high: float
    whole: bool = True

    def check(self, field: str, value: object) -> int | float:
        """Return ``value`` unchanged where it fits; raise SettingRefused where it does not.

        Booleans and texts are refused even where Python would accept them as numbers.
        """
        kind = "a whole number" if self.whole else "a number"
        mend = f"choose {kind} from {self.low:g} to {self.high:g}."
        if isinstance(value, bool) or not isinstance(value, (int,) if self.whole else (int, float)):
            raise SettingRefused(field, value, mend)
        if not math.isfinite(value) or not self.low <= value <= self.high:
            raise SettingRefused(field, value, mend)
        return value
