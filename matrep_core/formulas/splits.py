"""Which formulas train and which evaluate: by chance, by materials never seen, by groups of near-duplicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array

from matrep_core.errors import SettingRefused
from matrep_core.formulas.schema import FormulaSet

LEAST_FORMULAS = 10
STRATUM = 10  # formulas of neighbouring values among which chance decides
UNSEEN_ORDERS = 16  # random orders tried until one comes near the wanted number of evaluated formulas


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of ``FormulaSet.amounts``, sorted and without repeats; the two sides share no formula.

    train: (n_train,) int64
    eval:  (n_eval,) int64
    """

    train: np.ndarray
    eval: np.ndarray


def split_formulas(
    data: FormulaSet, formulas: np.ndarray, kind: str, train_share: float, seed: int, values: np.ndarray | None = None
) -> Split:
    """Divide the formulas that have the target.

    ``formulas`` are rows of ``data.amounts``; repeats (a formula measured several times) count once, so
    that no formula stands on both sides. The kinds:

    random   every formula by chance; where ``values`` (one for each of the distinct ``formulas``, ascending) are
             given, by chance within each STRATUM of neighbouring values, so that both sides span the same range.
             Without it a split of few formulas can by bad luck evaluate mostly values that hardly trained.
    unseen   materials are held out, in random order, as long as the formulas that contain them fit into
             the evaluated share; every evaluated formula then holds at least one material that no
             training formula holds. Materials of nearly every formula cannot be held out.
    grouped  formulas of exactly the same materials, whatever their amounts, stay on one side.

    The same arguments give the same split. Raises SettingRefused for fewer than 10 formulas, for an
    unknown kind, where no material can be held out, and where all formulas are one group.
    """
    if kind not in KINDS:
        raise SettingRefused("split", kind, f"choose one of {', '.join(KINDS)}.")
    rows = np.unique(np.asarray(formulas, dtype=np.int64))
    if len(rows) < LEAST_FORMULAS:
        raise SettingRefused(
            "split", kind, f"it needs at least {LEAST_FORMULAS} formulas with the property, and there are {len(rows)}."
        )
    n_train = min(max(round(train_share * len(rows)), 1), len(rows) - 1)
    rng = np.random.default_rng(seed)
    if kind == "random" and values is not None:
        evaluates = _stratified(values, n_train, rng)
    else:
        evaluates = KINDS[kind](data.amounts[rows], n_train, rng)
    return Split(train=rows[~evaluates], eval=rows[evaluates])


def _random(amounts: csr_array, n_train: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool: which formulas evaluate."""
    evaluates = np.ones(amounts.shape[0], dtype=bool)
    evaluates[rng.permutation(amounts.shape[0])[:n_train]] = False
    return evaluates


def _stratified(values: np.ndarray, n_train: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool: which formulas evaluate, the same share of every STRATUM neighbouring values; ties fall by chance."""
    n = len(values)
    order = rng.permutation(n)
    order = order[np.argsort(values[order], kind="stable")]
    evaluates = np.ones(n, dtype=bool)
    for begin in range(0, n, STRATUM):
        stratum = rng.permutation(order[begin : begin + STRATUM])
        trained, due = n - int(evaluates.sum()), round(n_train * min(begin + STRATUM, n) / n)
        evaluates[stratum[: due - trained]] = False
    return evaluates


def _unseen(amounts: csr_array, n_train: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool: which formulas evaluate, at least one and at most n - n_train."""
    wanted = amounts.shape[0] - n_train
    by_material = amounts.tocsc()
    support = np.diff(by_material.indptr)
    candidates = np.flatnonzero((support > 0) & (support <= wanted))
    if not len(candidates):
        least = int(support[support > 0].min())
        raise SettingRefused(
            "split", "unseen",
            f"no material is left to hold out: the least used one occurs in {least} of {amounts.shape[0]} formulas, "
            f"and {wanted} may evaluate. Lower the train share or choose another split.",
        )  # fmt: skip
    # One order can end early, when its first materials leave no room for any of the others.
    best = np.zeros(amounts.shape[0], dtype=bool)
    for _ in range(UNSEEN_ORDERS):
        evaluates = _hold_out(by_material, rng.permutation(candidates), wanted)
        if evaluates.sum() > best.sum():
            best = evaluates
        if best.sum() >= 0.9 * wanted:
            break
    return best


def _hold_out(by_material: csc_array, order: np.ndarray, wanted: int) -> np.ndarray:
    """(n,) bool: the formulas of the materials that still fit, taken in the given order."""
    evaluates = np.zeros(by_material.shape[0], dtype=bool)
    room = wanted
    for material in order:
        its_rows = by_material.indices[by_material.indptr[material] : by_material.indptr[material + 1]]
        added = len(its_rows) - int(evaluates[its_rows].sum())
        if added <= room:
            evaluates[its_rows] = True
            room -= added
            if room == 0:
                break
    return evaluates


def _grouped(amounts: csr_array, n_train: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool: which formulas evaluate; training takes whole groups, as near to n_train as their order allows."""
    groups: dict[bytes, int] = {}
    group_of = np.array(
        [
            groups.setdefault(amounts.indices[start:stop].tobytes(), len(groups))
            for start, stop in zip(amounts.indptr[:-1], amounts.indptr[1:])
        ]
    )
    if len(groups) < 2:
        raise SettingRefused(
            "split", "grouped",
            f"it needs at least 2 groups of formulas with the same materials, and there is {len(groups)}. "
            "Choose the random split.",
        )  # fmt: skip
    order = rng.permutation(len(groups))
    train_sizes = np.cumsum(np.bincount(group_of)[order])[:-1]
    cut = int(np.argmin(np.abs(train_sizes - n_train))) + 1
    evaluates = np.zeros(len(groups), dtype=bool)
    evaluates[order[cut:]] = True
    return evaluates[group_of]


KINDS: dict[str, Callable[[csr_array, int, np.random.Generator], np.ndarray]] = {
    "random": _random,
    "unseen": _unseen,
    "grouped": _grouped,
}
