"""Numbers as a chemist reads them: rounded, with their unit, never in powers of ten."""

from __future__ import annotations

import math


def measured(value: float, unit: str = "") -> str:
    """A measured or predicted value to four digits with its unit: ``12,060 mPa·s``, ``0.2311``."""
    if not math.isfinite(value):
        return "unknown"
    digits = 0 if abs(value) >= 1000 else max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 9)}f} {unit}".rstrip()


def signed(change: float, unit: str = "") -> str:
    """A change with its sign and unit: ``+1,093 %``, ``-0.51 mPa·s``."""
    if not math.isfinite(change):
        return "unknown"
    text = f"{change:+,.0f}" if abs(change) >= 100 else f"{change:+.2g}"
    return f"{text} {unit}".rstrip()


def give_or_take(spread: float, unit: str = "") -> str:
    """``± 29 %``: a spread, as ``signed`` writes a change."""
    return f"± {signed(abs(spread), unit)[1:]}"
