"""A formula pasted as text: a material and its amount a line."""

from __future__ import annotations

import re

import numpy as np

from matrep_core.errors import DataRefused, Fault
from matrep_core.formulas.schema import FormulaSet
from matrep_core.limits import AMOUNT_SUM, AMOUNT_TOLERANCE

MOST_LINES = 1_000
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_HEADERS = {"material", "code", "raw material"}


def read_pasted(data: FormulaSet, text: str) -> np.ndarray:
    """(M,) amounts in weight-% of a pasted formula.

    A line is a code, then a tab, a semicolon or blanks, then the amount; a decimal point or comma. Raises DataRefused,
    naming every line at fault: an unknown code, one that comes twice, no amount, amounts that do not sum to 100.
    """
    amounts, faults, seen = np.zeros(len(data.materials)), [], set()
    lines = text.splitlines()[: MOST_LINES + 1]
    if len(lines) > MOST_LINES:
        raise DataRefused([_fault(None, "", f"more than {MOST_LINES:,} lines", "Paste one formula.")])
    for number, line in enumerate(lines, start=1):
        code, amount = _cut(line.strip())
        if not line.strip() or (number == 1 and code.casefold() in _HEADERS):
            continue
        if not _NUMBER.fullmatch(amount):
            faults.append(_fault(number, line.strip(), "it ends in no amount", "Write the code, a tab or a blank, and the amount in weight-%."))
        elif code not in data.material_index:
            faults.append(_fault(number, code, "this material is not known", "Write the code as the data set has it, or place it as a new material."))
        elif code in seen:
            faults.append(_fault(number, code, "this material comes twice", "Write it once, with the sum of its amounts."))
        else:
            seen.add(code)
            amounts[data.material_index[code]] = float(amount.replace(",", "."))
    if not faults and abs(amounts.sum() - AMOUNT_SUM) > AMOUNT_TOLERANCE:
        mend = f"Amounts are weight-% and sum to 100 ± {AMOUNT_TOLERANCE:g}; add what is missing, such as water."
        faults.append(_fault(None, "", f"the amounts sum to {amounts.sum():.4g}", mend))
    if faults:
        raise DataRefused(faults)
    return amounts


def _cut(line: str) -> tuple[str, str]:
    for mark in ("\t", ";"):
        if mark in line:
            code, _, amount = line.rpartition(mark)
            return code.strip(), amount.strip().removesuffix("%").strip()
    parts = line.removesuffix("%").rsplit(None, 1)
    return (parts[0], parts[1]) if len(parts) == 2 else (line, "")


def _fault(line: int | None, value: str, problem: str, mend: str) -> Fault:
    return Fault("the pasted formula", line, "", value[:80], problem, mend)
