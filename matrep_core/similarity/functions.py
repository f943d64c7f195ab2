"""The space of functions: each material a row of ones and zeros, and where it and the learned answer disagree."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.formulas.schema import FormulaSet
from matrep_core.views.facts import info_texts

_SEPARATORS = re.compile(r"[;,/|\n]+")
COLUMNS = ("function", "functions")


def function_names(text: str) -> list[str]:
    """The functions that one cell names, separated by ; , / | or a line break, in lower case, each once."""
    return list(dict.fromkeys(name for part in _SEPARATORS.split(text) if (name := part.strip().casefold())))


def multi_hot(data: FormulaSet) -> tuple[csr_array, list[str]]:
    """(M, functions) zeros and ones, and the names of the functions, the commonest first; from materials.csv.

    A material without a known function is a row of zeros.
    """
    column = next((name for name in COLUMNS if name in data.material_info.columns), "")
    named = [function_names(text) for text in info_texts(data, column)]
    counts = pd.Series([name for names in named for name in names], dtype=object).value_counts()
    place = {name: i for i, name in enumerate(sorted(counts.index, key=lambda name: (-counts[name], name)))}
    columns = [place[name] for names in named for name in names]
    starts = np.cumsum([0, *(len(names) for names in named)])
    matrix = csr_array((np.ones(len(columns)), columns, starts), shape=(len(named), max(1, len(place))))
    return matrix, list(place)


def function_distances(functions: csr_array, query: int) -> np.ndarray:
    """(M,) Jaccard distance between the functions of one material and of each: 0 the same, 1 none shared, NaN unknown."""
    own = functions[[query]].toarray()[0]
    shared = functions @ own
    counts = np.asarray(functions.sum(axis=1)).ravel()
    either = counts + own.sum() - shared
    known = (counts > 0) & (own.sum() > 0)
    return np.where(known, 1 - shared / np.where(either > 0, either, 1), np.nan)


def same_function(distance: float) -> str:
    """In a word: "yes" all the same, "partly", "no", "" where one of the two is unknown."""
    if np.isnan(distance):
        return ""
    return "yes" if distance == 0 else "no" if distance == 1 else "partly"


def acts_differently(distances: np.ndarray, change: np.ndarray, others: Sequence[int], k: int) -> list[int]:
    """Of the materials ``others``, which all have the query's function, the ``k`` whose swap changes the property most.

    ``distances`` is (M,) as ``function_distances`` gives, ``change`` the predicted mean change for each of ``others``.
    """
    alike = [place for place, other in enumerate(others) if distances[other] == 0 and np.isfinite(change[place])]
    return [others[place] for place in sorted(alike, key=lambda place: -abs(change[place]))[:k]]
