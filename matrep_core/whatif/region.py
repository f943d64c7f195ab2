"""Where a new material lies among the vectors: a Gaussian region, by its prior and the formulas that were measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from matrep_core.model.layout import AMOUNT_UNIT
from matrep_core.model.predicting import regress
from matrep_core.similarity.effects import gradient
from matrep_core.whatif.bench import Asked

TURNS, STRIDE = 12, 0.7  # of Gauss and Newton


@dataclass(frozen=True, eq=False)
class Region:
    """mean (N,) and covariance (N, N) of the vector in the space of the run's main model."""

    mean: np.ndarray
    covariance: np.ndarray

    def drawn(self, count: int, seed: int = 0) -> np.ndarray:
        """(count, N) float32 vectors from the region, for a map."""
        return np.random.default_rng(seed).multivariate_normal(self.mean, self.covariance, count, method="eigh").astype(np.float32)


def prior_region(vectors: np.ndarray, weights: np.ndarray) -> Region:
    """Mean and covariance of (S, N) vectors by weights (S,) that sum to 1; a little of the whole spread keeps it open."""
    mean = weights @ vectors
    away = vectors - mean
    covariance = (weights[:, None] * away).T @ away
    return Region(mean, covariance + 0.1 * np.diag(vectors.var(axis=0)) + 1e-6 * np.eye(len(mean)))


def posterior(asked: Asked, prior: Region, amounts: np.ndarray, conditions: np.ndarray, targets: np.ndarray, noise: np.ndarray) -> Region:
    """The prior with what k formulas measured: Laplace's approximation at the likeliest vector, by Gauss and Newton.

    amounts (k, M + 1) weight-%, the new material last; conditions (k, C) in their own units; targets (k,) and their
    variance noise (k,) on the target scale. The regressor is the main model's and stays as it is. Source: MacKay 1992,
    "A practical Bayesian framework for backpropagation networks", Neural Computation 4.
    """
    predictor = asked.predictor
    if not len(targets):
        return prior
    standard = predictor.standard(conditions)
    rest = AMOUNT_UNIT * (csr_array(amounts[:, :-1]) @ predictor.vectors[0].astype(np.float64))
    own = AMOUNT_UNIT * amounts[:, -1:]
    sure, at = np.linalg.inv(prior.covariance), prior.mean.copy()
    for _ in range(TURNS):
        inputs = np.concatenate([rest + own * at, standard], axis=1)
        value = regress(inputs, predictor.regressors[0], predictor.layout, predictor.activation).astype(np.float64)
        slope = own * gradient(inputs, predictor.regressors[0], predictor.layout, predictor.activation)
        curve = sure + (slope / noise[:, None]).T @ slope
        at = at + STRIDE * np.linalg.solve(curve, sure @ (prior.mean - at) + slope.T @ ((targets - value) / noise))
    covariance = np.linalg.inv(curve)
    return Region(at, (covariance + covariance.T) / 2)
