"""The models that predict beside the vectors: trees and a kernel machine, fitted by scikit-learn, kept as plain arrays.

A fitted model of scikit-learn has no stored form of its own that is safe to open. So its numbers are taken out, and
predicting needs numpy and scipy alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

TREES = 20  # of one fold
FEATURE_SHARE = 0.4  # of the columns, drawn anew at each branch
MOST_ROWS = 4_000  # measurements that one partner is fitted to, drawn at random from more
MOST_COLUMNS = 500
LEAST_SUPPORT = 3  # formulas that a column of the trees occurs in; a rarer one cannot carry a branch
KERNEL_COST, KERNEL_MARGIN = 10.0, 0.05
_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees of all folds, their nodes one after the other; a leaf is its own left and right.

    feature (nodes,) int32, threshold (nodes,) float64, left, right (nodes,) int32, value (nodes,) float32,
    roots (K, TREES) int32
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    roots: np.ndarray

    def checked(self, columns: int) -> Forest:
        """Self; raises ValueError for nodes from a file that point backwards, outside, or at a column that is not there."""
        nodes, own = len(self.value), np.arange(len(self.value))
        following = np.stack([self.left, self.right])
        sound = (
            self.roots.ndim == 2 and {len(a) for a in (self.feature, self.threshold, self.left, self.right)} == {nodes}
            and (following >= own).all() and (following < nodes).all() and (self.feature >= 0).all()
            and (self.feature < max(columns, 1)).all() and (self.roots >= 0).all() and (self.roots < nodes).all()
        )  # fmt: skip
        if not sound:
            raise ValueError("its trees are no trees")
        return self

    def predict(self, fold: int, inputs: np.ndarray) -> np.ndarray:
        """(R, J) float32 inputs -> (R,) float64 mean over the trees of one fold."""
        out = np.empty(len(inputs))
        for begin in range(0, len(inputs), _BLOCK):
            block = inputs[begin : begin + _BLOCK]
            rows = np.arange(len(block))[:, None]
            node = np.broadcast_to(self.roots[fold], (len(block), self.roots.shape[1]))
            while True:
                below = block[rows, self.feature[node]] <= self.threshold[node]
                following = np.where(below, self.left[node], self.right[node])
                if np.array_equal(following, node):
                    break
                node = following
            out[begin : begin + _BLOCK] = self.value[node].mean(axis=1)
        return out


def fit_trees(inputs: np.ndarray, targets: np.ndarray, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """TREES extremely randomised trees on (R, J) float32 inputs (Geurts, Ernst, Wehenkel 2006, Machine Learning 63).

    Returns the nodes as in Forest, counted from 0, and the (TREES,) roots.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(TREES, max_features=FEATURE_SHARE, random_state=seed, n_jobs=1).fit(inputs, targets)
    nodes: dict[str, list[np.ndarray]] = {name: [] for name in ("feature", "threshold", "left", "right", "value")}
    roots, first = [], 0
    for each in model.estimators_:
        tree = each.tree_
        own, leaf = np.arange(tree.node_count), tree.children_left < 0
        nodes["feature"].append(np.where(leaf, 0, tree.feature))
        nodes["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        nodes["left"].append(np.where(leaf, own, tree.children_left) + first)
        nodes["right"].append(np.where(leaf, own, tree.children_right) + first)
        nodes["value"].append(tree.value[:, 0, 0])
        roots.append(first)
        first += tree.node_count
    kinds = {"threshold": np.float64, "value": np.float32}
    return {n: np.concatenate(parts).astype(kinds.get(n, np.int32)) for n, parts in nodes.items()}, np.array(roots, np.int32)


def joined(fitted: list[tuple[dict[str, np.ndarray], np.ndarray]]) -> Forest:
    """The trees of K folds as one Forest."""
    first = np.cumsum([0, *(len(nodes["feature"]) for nodes, _ in fitted)]).astype(np.int32)
    shifted = [
        {**nodes, "left": nodes["left"] + begin, "right": nodes["right"] + begin, "roots": roots + begin}
        for (nodes, roots), begin in zip(fitted, first, strict=False)
    ]
    stacked = {name: np.concatenate([each[name] for each in shifted]) for name in shifted[0] if name != "roots"}
    return Forest(**stacked, roots=np.stack([each["roots"] for each in shifted]))


def tree_columns(support: np.ndarray) -> np.ndarray:
    """(J,) int32 materials whose amounts the trees see: those that occur often enough, at most MOST_COLUMNS."""
    columns = np.flatnonzero(support >= min(LEAST_SUPPORT, support.max(initial=0)))
    if len(columns) > MOST_COLUMNS:
        columns = np.sort(columns[np.argsort(-support[columns], kind="stable")[:MOST_COLUMNS]])
    return columns.astype(np.int32)


def dense_inputs(amounts: csr_array, conditions: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(R, J + C) float32: the amounts of some columns, then the conditions."""
    return np.concatenate([amounts[:, columns].toarray(), conditions], axis=1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Kernel:
    """Support vector regression with a Gaussian kernel, one a fold, on transformed amounts and conditions.

    formulas (S,) int64 and conditions (S, C) say which measurements the support vectors are, dual (S,) weighs them,
    first (K + 1,) int64 bounds those of each fold; gamma, intercept (K,); root: amounts enter as square roots, else
    as log(1 + amount); stretch: what the conditions are multiplied by
    """

    formulas: np.ndarray
    conditions: np.ndarray
    dual: np.ndarray
    first: np.ndarray
    gamma: np.ndarray
    intercept: np.ndarray
    root: bool
    stretch: float

    def predict(self, fold: int, inputs: csr_array, known: csr_array) -> np.ndarray:
        """(R, M + C) ``kernel_inputs`` -> (R,) float64; ``known`` (S, M + C) are those of the support vectors."""
        own = slice(self.first[fold], self.first[fold + 1])
        vectors = known[own]
        lengths = vectors.multiply(vectors).sum(axis=1)
        out = np.empty(inputs.shape[0])
        for begin in range(0, inputs.shape[0], _BLOCK):
            block = inputs[begin : begin + _BLOCK]
            squared = block.multiply(block).sum(axis=1)[:, None] + lengths[None, :] - 2 * (block @ vectors.T).toarray()
            out[begin : begin + _BLOCK] = np.exp(-self.gamma[fold] * np.maximum(squared, 0)) @ self.dual[own]
        return out + self.intercept[fold]


def kernel_inputs(amounts: csr_array, conditions: np.ndarray, root: bool, stretch: float) -> csr_array:
    """(R, M + C) float64: transformed amounts in weight-%, then stretched conditions."""
    from scipy.sparse import hstack

    shaped = amounts.astype(np.float64)
    shaped.data = np.sqrt(shaped.data) if root else np.log1p(shaped.data)
    joined = csr_array(hstack([shaped, csr_array(conditions * stretch)], format="csr")) if conditions.shape[1] else shaped
    joined.indices, joined.indptr = joined.indices.astype(np.int32), joined.indptr.astype(np.int32)  # scikit-learn takes no others
    return joined


def stretch_of(amounts: csr_array, root: bool) -> float:
    """A standardised condition gets the spread of half of all amounts together: neither side drowns the other."""
    shaped = kernel_inputs(amounts, np.empty((amounts.shape[0], 0)), root, 0.0)
    mean = np.asarray(shaped.mean(axis=0)).ravel()
    return 0.5 * float(np.sqrt(max(0.0, (shaped.multiply(shaped).sum() / shaped.shape[0]) - mean @ mean)))


@dataclass(frozen=True, eq=False)
class FittedKernel:
    """One fold's machine: ``rows`` (S,) index the measurements that it was fitted to."""

    rows: np.ndarray
    dual: np.ndarray
    gamma: float
    intercept: float


def fit_kernel(inputs: csr_array, targets: np.ndarray) -> FittedKernel:
    """Support vector regression (Drucker et al. 1997) on (R, J) inputs; the width is 1 / (columns × variance)."""
    from sklearn.svm import SVR

    count = inputs.shape[0] * inputs.shape[1]
    spread = inputs.multiply(inputs).sum() / count - (inputs.sum() / count) ** 2
    gamma = 1.0 / (inputs.shape[1] * spread) if spread > 0 else 1.0
    model = SVR(C=KERNEL_COST, gamma=gamma, epsilon=KERNEL_MARGIN).fit(inputs, targets)
    dual = model.dual_coef_.toarray() if hasattr(model.dual_coef_, "toarray") else np.asarray(model.dual_coef_)
    return FittedKernel(model.support_.astype(np.int64), dual[0], float(gamma), float(model.intercept_[0]))
