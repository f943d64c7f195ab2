"""The door to the two engines, and what a training asks of either: its rates, its start, its order of measurements."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.model.layout import Layout
from matrep_core.model.problem import Problem
from matrep_core.sampling import generator
from matrep_core.settings import TrainingSettings

DEVICES = ("auto", "cpu", "cuda")


class Engine(Protocol):
    """What training asks of FastEngine and ReferenceEngine."""

    name: str
    layout: Layout

    def train(self, order: np.ndarray, step: int) -> tuple[int, float, int]: ...
    def vectors(self, step: int) -> np.ndarray: ...
    def predict(self, rows: np.ndarray) -> np.ndarray: ...
    def regressor(self) -> np.ndarray: ...
    def finite(self) -> bool: ...
    def state(self) -> dict[str, np.ndarray]: ...
    def restore(self, state: dict[str, np.ndarray]) -> None: ...


def pace_of(settings: TrainingSettings) -> np.ndarray:
    """(3, steps + 1) float64: rate / (1 - β₁ᵗ), 1 / √(1 - β₂ᵗ) and the learning rate of every step t; t = 0 is unused.

    The one-cycle schedule rises over the first tenth of the steps and falls along a cosine to a thousandth
    (Smith and Topin 2018, "Super-convergence", arXiv:1708.07120).
    """
    t = np.arange(settings.steps + 1, dtype=np.float64)
    if settings.schedule == "constant":
        rate = np.full_like(t, settings.learning_rate)
    else:
        rise = max(1.0, 0.1 * settings.steps)
        up = 0.04 + 0.96 * np.minimum(t / rise, 1.0)
        fall = np.clip((t - rise) / max(1.0, settings.steps - rise), 0.0, 1.0)
        rate = settings.learning_rate * np.where(t < rise, up, 0.001 + 0.999 * 0.5 * (1 + np.cos(np.pi * fall)))
    t[0] = 1
    return np.stack([rate / (1 - 0.9**t), 1 / np.sqrt(1 - 0.999**t), rate])


def named_engine(name: str, device: str = "auto") -> str:
    """The engine that a name and a device mean here: auto is fast, or the reference where numba is missing or ``device`` is cuda.

    Raises SettingRefused for other names, and for the fast engine on cuda.
    """
    if device not in DEVICES:
        raise SettingRefused("device", device, f"choose {', '.join(DEVICES)}.")
    if name == "auto":
        return "fast" if find_spec("numba") and device != "cuda" else "reference"
    if name not in ("fast", "reference"):
        raise SettingRefused("engine", name, "choose auto, fast or reference.")
    if name == "fast" and device == "cuda":
        raise SettingRefused("device", device, "the fast engine computes on the CPU; choose the engine reference, or auto.")
    return name


def check_device(device: str) -> None:
    """Raises SettingRefused for cuda where there is no GPU that torch can use."""
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise SettingRefused("device", device, "this machine has no GPU that torch can use; choose auto or cpu.")


def build_engine(name: str, problem: Problem, settings: TrainingSettings, model: str = "", device: str = "auto") -> Engine:
    """The engine that ``named_engine`` gives, at a random start.

    ``model`` names the model of an ensemble: each has a start of its own, and "" is the run's main model. ``device`` is
    where the reference engine computes: cpu, cuda, or auto (cuda where there is one). Raises SettingRefused.
    """
    check_device(device)
    pace = pace_of(settings)
    start = Layout.of(settings, problem.materials).start(settings, generator(settings.seed, f"start{model}"))
    if named_engine(name, device) == "fast":
        from matrep_core.model.fast import FastEngine

        return FastEngine(problem, settings, pace, start)
    from matrep_core.model.network import ReferenceEngine

    return ReferenceEngine(problem, settings, pace, start, device)


class Order:
    """The measurements in the order in which they train: a new permutation for every pass."""

    def __init__(self, rows: np.ndarray, random: np.random.Generator):
        self.rows, self._random = rows, random
        self.begin_pass(random.bit_generator.state)

    def begin_pass(self, state: dict[str, Any], cursor: int = 0) -> None:
        """Draw the pass that the generator's ``state`` stands before, and go to its measurement ``cursor``."""
        self._random.bit_generator.state = self.state = state
        self.order = self._random.permutation(self.rows)
        self.cursor = cursor

    def advance(self, engine: Engine, step: int, until: int, batch: int, count: Callable[[float, int], None] | None = None) -> int:
        """Train up to the step ``until``; returns the step reached, lower where a loss was not finite."""
        while step < until:
            step, finite = self.advance_in_pass(engine, step, until, batch, count)
            if not finite:
                break
        return step

    def advance_in_pass(
        self, engine: Engine, step: int, until: int, batch: int, count: Callable[[float, int], None] | None = None
    ) -> tuple[int, bool]:
        """Train within one pass, up to the step ``until`` at most; returns the step and whether all losses were finite."""
        if self.cursor >= len(self.order):
            self.begin_pass(self._random.bit_generator.state)
        part = self.order[self.cursor : self.cursor + (until - step) * batch]
        done, loss, seen = engine.train(part, step)
        self.cursor += seen
        if count:
            count(loss, seen)
        return step + done, seen == len(part)

    def coming(self, batch: int) -> np.ndarray:
        return self.order[self.cursor : self.cursor + batch]

    def gone(self, batch: int) -> np.ndarray:
        return self.order[max(0, self.cursor - batch) : self.cursor]
