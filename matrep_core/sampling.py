"""A fixed sample where all would be too many, and the generators that draw it."""

from __future__ import annotations

import numpy as np


def generator(seed: int, purpose: str) -> np.random.Generator:
    """An own stream for each purpose, so that a change of one does not shift the others."""
    return np.random.default_rng([seed, *purpose.encode()])


def at_most(rows: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """All ``rows`` (R,), or ``most`` of them drawn without return, in the order in which they stand."""
    if len(rows) <= most:
        return rows
    return rows[np.sort(random.choice(len(rows), most, replace=False))]
