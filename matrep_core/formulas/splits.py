"""Which formulas train and which evaluate: by chance, by materials never seen, by groups that belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array

from matrep_core.errors import SettingRefused
from matrep_core.formulas.schema import FormulaSet

LEAST_FORMULAS = 10
STRATUM = 10  # formulas of neighbouring values among which chance decides
LOOKED_AT = 16  # materials among which the graded split looks for the one that fits, and refusals that end it
NEAR_DUPLICATES = "near-duplicates"
NEAR = 5.0  # weight-% that may be exchanged between two formulas that count as near-duplicates
MOST_COMPARED = 30_000  # formulas; all pairs of more take too long
BLOCK = 2_048  # formulas compared with all others at once
GRADED_ORDERS = 4
UNSEEN_ORDERS = 16  # random orders tried until one comes near the wanted number of evaluated formulas


Groups = Callable[[], np.ndarray]  # (n,) int group of each formula, worked out only where a kind asks


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of ``FormulaSet.amounts``, sorted and without repeats; the two sides share no formula.

    train: (n_train,) int64
    eval:  (n_eval,) int64
    """

    train: np.ndarray
    eval: np.ndarray


def split_formulas(
    data: FormulaSet, formulas: np.ndarray, kind: str, train_share: float, seed: int,
    values: np.ndarray | None = None, group_by: str = "",
) -> Split:  # fmt: skip
    """Divide the formulas that have the target.

    ``formulas`` are rows of ``data.amounts``; repeats (a formula measured several times) count once, so
    that no formula stands on both sides. The kinds:

    random   every formula by chance; where ``values`` (one for each of the distinct ``formulas``, ascending) are
             given, by chance within each STRATUM of neighbouring values, so that both sides span the same range.
             Without it a split of few formulas can by bad luck evaluate mostly values that hardly trained.
    unseen   materials are held out, in random order, as long as the formulas that contain them fit into
             the evaluated share; every evaluated formula then holds at least one material that no
             training formula holds. Materials of nearly every formula cannot be held out.
    graded   a third of the evaluated formulas holds no material that never trains, a third one, a third several, as
             near as the formulas allow, so that the three grades of the research stand side by side in one run.
    grouped  what belongs together stays on one side: by ``group_by`` the formulas of exactly the same materials
             whatever their amounts (""), those that differ in at most NEAR weight-% ("near-duplicates", and what is
             linked through others), or those with an equal value of a column or property of that name.

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
        evaluates = KINDS[kind](data.amounts[rows], n_train, rng, lambda: groups_of(data, rows, group_by))
    return Split(train=rows[~evaluates], eval=rows[evaluates])


def _random(amounts: csr_array, n_train: int, rng: np.random.Generator, groups: Groups) -> np.ndarray:
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


def _unseen(amounts: csr_array, n_train: int, rng: np.random.Generator, groups: Groups) -> np.ndarray:
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
        its_rows = _rows_of(by_material, material)
        added = len(its_rows) - int(evaluates[its_rows].sum())
        if added <= room:
            evaluates[its_rows] = True
            room -= added
            if room == 0:
                break
    return evaluates


def _graded(amounts: csr_array, n_train: int, rng: np.random.Generator, groups: Groups) -> np.ndarray:
    """(n,) bool: which formulas evaluate, about a third each with none, one and several held-out materials."""
    by_material = amounts.tocsc()
    wanted = amounts.shape[0] - n_train
    support = np.diff(by_material.indptr)
    each = wanted // 3
    candidates = np.flatnonzero((support > 0) & (support <= 2 * each))
    best: tuple[int, np.ndarray] = (0, np.zeros(0))
    for _ in range(GRADED_ORDERS):
        held = _hold_out_by_grade(by_material, rng.permutation(candidates), 2 * each)
        lesser = min(np.count_nonzero(held == 1), np.count_nonzero(held > 1))
        if lesser > best[0]:
            best = lesser, held
        if lesser >= 0.8 * each:
            break
    if not best[0]:
        raise SettingRefused(
            "split", "graded",
            f"no formulas with one and with several unseen materials can be held out: of {len(support[support > 0])} materials, "
            f"{len(candidates)} occur in few enough formulas (at most {2 * each} of {amounts.shape[0]}). Choose the split unseen.",
        )  # fmt: skip
    evaluates = best[1] > 0
    left = support - np.bincount(amounts[evaluates].indices, minlength=amounts.shape[1])  # formulas that train, by material
    room = wanted - int(evaluates.sum())
    for row in rng.permutation(np.flatnonzero(~evaluates)):
        its = amounts.indices[amounts.indptr[row] : amounts.indptr[row + 1]]
        if room and (left[its] > 1).all():  # none of its materials stays without a formula that trains
            evaluates[row] = True
            left[its] -= 1
            room -= 1
    return evaluates


def _hold_out_by_grade(by_material: csc_array, order: np.ndarray, most: int) -> np.ndarray:
    """(n,) int: held-out materials of each formula, at most ``most`` formulas with any, about half of them with several."""
    held = np.zeros(by_material.shape[0], dtype=np.int64)
    waiting, one, several, refused = list(order), 0, 0, 0
    while waiting and one + several < most and refused < LOOKED_AT:
        if several < one:  # a material whose formulas evaluate already makes several of one
            looked = [float((held[_rows_of(by_material, m)] > 0).mean()) for m in waiting[-LOOKED_AT:]]
            chosen = len(waiting) - len(looked) + int(np.argmax(looked))
            waiting[chosen], waiting[-1] = waiting[-1], waiting[chosen]
        its_rows = _rows_of(by_material, waiting.pop())
        before = held[its_rows]
        new, second = int((before == 0).sum()), int((before == 1).sum())
        if one + several + new > most:
            refused += 1
            continue
        held[its_rows] += 1
        one, several, refused = one + new - second, several + second, 0
    return held


def _rows_of(by_material: csc_array, material: int) -> np.ndarray:
    return by_material.indices[by_material.indptr[material] : by_material.indptr[material + 1]]


def groups_of(data: FormulaSet, rows: np.ndarray, group_by: str = "") -> np.ndarray:
    """(n,) int group of each of the formulas ``rows``, numbered from 0; ``group_by`` as in ``split_formulas``.

    Raises SettingRefused for an unknown column, for a formula without a value of it, and for near-duplicates among
    more than MOST_COMPARED formulas.
    """
    amounts = data.amounts[rows]
    if group_by == NEAR_DUPLICATES:
        return _near_duplicates(amounts)
    if group_by:
        return _by_column(data, rows, group_by)
    groups: dict[bytes, int] = {}
    ends = zip(amounts.indptr[:-1], amounts.indptr[1:], strict=True)
    return np.array([groups.setdefault(amounts.indices[start:stop].tobytes(), len(groups)) for start, stop in ends])


def _near_duplicates(amounts: csr_array) -> np.ndarray:
    """Groups of formulas linked by pairs of which at most NEAR weight-% would have to be exchanged."""
    from scipy.sparse.csgraph import connected_components

    n = amounts.shape[0]
    if n > MOST_COMPARED:
        raise SettingRefused("group_by", NEAR_DUPLICATES, f"it compares all pairs of at most {MOST_COMPARED:,} formulas, and there are {n:,}.")
    squares = np.asarray(amounts.multiply(amounts).sum(axis=1)).ravel()
    left, right = [], []
    for begin in range(0, n, BLOCK):
        block = amounts[begin : begin + BLOCK]
        products = (block @ amounts.T).toarray()
        # Exchanging t weight-% moves a formula by at most √2 · t in the straight distance: a cheap first sieve.
        near = squares[begin : begin + BLOCK, None] + squares[None, :] - 2 * products <= 2 * NEAR**2 + 1e-6
        one, other = np.nonzero(near)
        later = one + begin < other
        one, other = one[later], other[later]
        for part in range(0, len(one), BLOCK):
            a, b = one[part : part + BLOCK], other[part : part + BLOCK]
            exchanged = np.asarray(abs(block[a] - amounts[b]).sum(axis=1)).ravel() / 2
            left.append(a[exchanged <= NEAR] + begin)
            right.append(b[exchanged <= NEAR])
    one, other = (np.concatenate(each) if each else np.zeros(0, np.int64) for each in (left, right))
    return connected_components(csr_array((np.ones(len(one)), (one, other)), shape=(n, n)), directed=False)[1].astype(np.int64)


def _by_column(data: FormulaSet, rows: np.ndarray, column: str) -> np.ndarray:
    """Groups of formulas with an equal value; a formula measured at several values links them."""
    from scipy.sparse.csgraph import connected_components

    frame = data.measurements
    if column in data.condition_columns:
        formula, value = frame["formula"].to_numpy(np.int64), frame[column].to_numpy(np.float64)
    elif column in {p.name for p in data.properties}:
        chosen = frame[frame["property"] == column]
        formula, value = chosen["formula"].to_numpy(np.int64), chosen["value"].to_numpy(np.float64)
    else:
        known = ", ".join([NEAR_DUPLICATES, *data.condition_columns, *(p.name for p in data.properties)])
        raise SettingRefused("group_by", column, f"there is no such column; choose one of {known}, or leave it empty.")
    there = np.isin(formula, rows) & np.isfinite(value)
    formula, value = np.searchsorted(rows, formula[there]), value[there]
    without = len(rows) - len(np.unique(formula))
    if without:
        first = data.formula_ids[rows[np.setdiff1d(np.arange(len(rows)), formula)[0]]]
        raise SettingRefused("group_by", column, f"{without} of {len(rows)} formulas have no value of it, for example {first}.")
    _, number = np.unique(value, return_inverse=True)
    size = len(rows) + int(number.max()) + 1
    links = csr_array((np.ones(len(formula)), (formula, len(rows) + number)), shape=(size, size))
    _, groups = np.unique(connected_components(links, directed=False)[1][: len(rows)], return_inverse=True)
    return groups.astype(np.int64)


def _grouped(amounts: csr_array, n_train: int, rng: np.random.Generator, groups: Groups) -> np.ndarray:
    """(n,) bool: which formulas evaluate; training takes whole groups, as near to n_train as their order allows."""
    group_of = groups()
    count = int(group_of.max()) + 1
    if count < 2:
        raise SettingRefused(
            "split", "grouped",
            f"it needs at least 2 groups of formulas, and there is {count}: all {len(group_of)} belong together. "
            "Group by something else, or choose the random split.",
        )  # fmt: skip
    order = rng.permutation(count)
    train_sizes = np.cumsum(np.bincount(group_of)[order])[:-1]
    cut = int(np.argmin(np.abs(train_sizes - n_train))) + 1
    evaluates = np.zeros(count, dtype=bool)
    evaluates[order[cut:]] = True
    return evaluates[group_of]


KINDS: dict[str, Callable[[csr_array, int, np.random.Generator, Groups], np.ndarray]] = {
    "random": _random,
    "unseen": _unseen,
    "graded": _graded,
    "grouped": _grouped,
}
