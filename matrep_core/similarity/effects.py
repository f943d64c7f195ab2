"""What the models say that a material does to the property: at many mixtures, and in the place of another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from matrep_core.model.layout import AMOUNT_UNIT, Layout
from matrep_core.model.predicting import regress
from matrep_core.model.problem import TargetScale
from matrep_core.sampling import at_most
from matrep_core.settings import TrainingSettings

PROBES = 128  # mixtures at which every material is asked
ROWS_AT_ONCE = 2048  # formulas asked in one product of matrices: many small ones cost far more than their numbers
MOST_FORMULAS = 256  # of one material, in which a swap is predicted


class Member(Protocol):
    """One model of an ensemble, as ``run.members()`` gives it."""

    @property
    def vectors(self) -> np.ndarray: ...  # (M, N) float32
    @property
    def regressor(self) -> np.ndarray: ...  # flat float32, in the order of model/layout.py
    @property
    def support(self) -> np.ndarray: ...  # (M,) int: formulas that this model trained on


@dataclass(frozen=True, eq=False)
class Models:
    """The models of one run over the same materials, and the scale that they predict on.

    Where several are asked, each member is a voice of its own for a lone run, and each run one voice for a study.
    """

    members: Sequence[Member]
    settings: TrainingSettings
    scale: TargetScale

    @property
    def layout(self) -> Layout:
        return Layout.of(self.settings, len(self.members[0].vectors))

    @property
    def voices(self) -> list[Models]:
        """Each member alone."""
        return [replace(self, members=[member]) for member in self.members]

    def inputs(self, mixtures: np.ndarray) -> np.ndarray:
        """(R, N) mixture vectors -> (R, N + C) inputs of the regressor: conditions at their mean, the run's property asked."""
        out = np.pad(mixtures, ((0, 0), (0, self.layout.conditions)))
        if self.settings.also:
            out[:, self.layout.n_entries + len(self.settings.conditions)] = 1.0
        return out


def gradient(inputs: np.ndarray, regressor: np.ndarray, layout: Layout, activation: str) -> np.ndarray:
    """(R, N) float64: the slope of the scaled prediction along the mixture vector, at each of the (R, N + C) inputs."""
    offset, values = 0, np.asarray(inputs, np.float64)
    weights, slopes = [], []
    for number, (rows, columns) in enumerate(layout.shapes, start=1):
        end = offset + rows * columns
        weights.append(regressor[offset:end].reshape(rows, columns).astype(np.float64))
        values = values @ weights[-1] + regressor[end : end + columns]
        offset = end + columns
        if number < layout.layers:
            values, slope = _activated(values, activation)
            slopes.append(slope)
    back = np.ones((len(inputs), 1)) @ weights[-1].T
    for weight, slope in zip(weights[-2::-1], slopes[::-1], strict=True):
        back = (back * slope) @ weight.T
    return back[:, : layout.n_entries]


def _activated(values: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The hidden layer's outputs and their slopes."""
    if kind == "tanh":
        out = np.tanh(values)
        return out, 1 - out * out
    if kind == "sigmoid":
        out = 0.5 + 0.5 * np.tanh(0.5 * values)
        return out, out * (1 - out)
    return np.maximum(values, 0), (values > 0).astype(np.float64)


def probe_formulas(parts: np.ndarray, seed: int = 0) -> np.ndarray:
    """Ascending rows of at most PROBES training formulas, drawn with ``seed``: the mixtures that materials are asked at."""
    training = np.flatnonzero(np.isin(parts, ["train", "validation"]))
    return at_most(training, PROBES, np.random.default_rng(seed))


def fingerprints(ensemble: Models, probes: csr_array) -> np.ndarray:
    """(K, M, P) float32: for each member the change of its scaled prediction for one weight-% more of a material.

    ``probes`` is (P, M) amounts in weight-%. To first order: the model's gradient at the probe's mixture
    vector times the material's vector. All members answer the same questions, so their answers can be
    averaged, which their vectors cannot.
    """
    found = []
    for member in ensemble.members:
        vectors = member.vectors.astype(np.float64)
        mixtures = AMOUNT_UNIT * (probes @ vectors)
        slopes = gradient(
            ensemble.inputs(mixtures), member.regressor, ensemble.layout, ensemble.settings.hidden_activation
        )
        found.append((AMOUNT_UNIT * vectors @ slopes.T).astype(np.float32))
    return np.stack(found)


@dataclass(frozen=True, eq=False)
class SwapEffect:
    """What is predicted where each of B materials takes the place of one, at the same weight-%.

    mean:     (B,) mean change over formulas and voices
    worst:    (B,) the largest change, up or down, over the formulas, averaged over voices
    spread:   (B,) standard deviation of the mean change over voices; NaN for a lone one
    formulas: how many formulas were asked
    relative: changes are shares of the value (0.1 = 10 % more), else in the property's unit
    """

    mean: np.ndarray
    worst: np.ndarray
    spread: np.ndarray
    formulas: int
    relative: bool


def swap_effects(
    models: Models | Sequence[Models], formulas: csr_array, material: int, others: np.ndarray
) -> SwapEffect:
    """Predict the swap of ``material`` for each of ``others`` (B,) int in the (R, M) ``formulas`` that contain it.

    The members of one ``models`` are a voice each; of several, which must predict on one kind of scale, each is a
    voice, the mean of its members. At most MOST_FORMULAS formulas are asked, evenly chosen. On a log scale changes are
    shares of the value, averaged as factors; otherwise they are in the property's unit.
    """
    voices = models.voices if isinstance(models, Models) else models
    if formulas.shape[0] > MOST_FORMULAS:
        formulas = formulas[np.linspace(0, formulas.shape[0] - 1, MOST_FORMULAS).astype(int)]
    amounts = formulas[:, [material]].toarray()[:, 0]
    relative = voices[0].scale.kind == "log"
    changes = np.zeros((len(voices), len(others), len(amounts)))
    block = max(1, ROWS_AT_ONCE // max(1, len(amounts)))
    for k, voice in enumerate(voices):
        for member in voice.members:
            vectors = member.vectors.astype(np.float64)
            mixtures = AMOUNT_UNIT * (formulas @ vectors)
            before = _values(voice, member, mixtures)
            for start in range(0, len(others), block):
                step = vectors[others[start : start + block]] - vectors[material]
                moved = mixtures + AMOUNT_UNIT * amounts[:, None] * step[:, None, :]  # (block, R, N)
                after = _values(voice, member, moved.reshape(-1, moved.shape[2])).reshape(len(step), len(amounts))
                change = np.log(after / before) if relative else after - before
                changes[k, start : start + block] += change / len(voice.members)
    by_formula = changes.mean(axis=0)  # (B, R)
    most = np.abs(by_formula).argmax(axis=1) if len(amounts) else np.zeros(len(others), int)
    mean = changes.mean(axis=2)  # (V, B)
    worst = np.take_along_axis(by_formula, most[:, None], axis=1)[:, 0]
    shown = np.expm1 if relative else np.asarray
    spread = shown(mean).std(axis=0, ddof=1) if len(changes) > 1 else np.full(len(others), np.nan)
    return SwapEffect(shown(mean.mean(axis=0)), shown(worst), spread, len(amounts), relative)


def scaled_predictions(ensemble: Models, member: Member, formulas: csr_array) -> np.ndarray:
    """(R,) one member's scaled predictions of (R, M) ``formulas`` in weight-%."""
    return _targets(ensemble, member, AMOUNT_UNIT * (formulas @ member.vectors.astype(np.float64)))


def _targets(ensemble: Models, member: Member, mixtures: np.ndarray) -> np.ndarray:
    return regress(ensemble.inputs(mixtures), member.regressor, ensemble.layout, ensemble.settings.hidden_activation)


def _values(ensemble: Models, member: Member, mixtures: np.ndarray) -> np.ndarray:
    return ensemble.scale.to_value(_targets(ensemble, member, mixtures))


def effect_per_percent(fingerprint: np.ndarray, scale: TargetScale, targets: np.ndarray) -> np.ndarray:
    """(M,) what one weight-% more of each material does, averaged over members and probes.

    ``fingerprint`` is (K, M, P) as ``fingerprints`` gives, ``targets`` (P,) the scaled predictions at the
    probes. On a log scale a share of the value (0.1 = 10 % more), otherwise in the property's unit.
    """
    slope = fingerprint.mean(axis=0, dtype=np.float64)
    if scale.kind == "log":
        return np.expm1(np.log(10) * scale.spread * slope.mean(axis=1))
    if scale.kind == "sqrt":
        slope = slope * 2 * np.maximum(targets * scale.spread + scale.mean, 0)
    return scale.spread * slope.mean(axis=1)
