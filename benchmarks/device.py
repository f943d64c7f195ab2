"""The reference engine on the CPU and on a GPU, beside the fast engine: time a step, nearness of the vectors, repeatability."""

from __future__ import annotations

import time

import numpy as np

from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.schema import observations
from matrep_core.model.engine import Order, build_engine
from matrep_core.model.problem import Problem, build_problem
from matrep_core.sampling import generator
from matrep_core.settings import TrainingSettings, from_recipe
from matrep_core.threads import one_thread

STEPS = {128: 300, 4096: 300, 65536: 30}  # timed at each batch size
FIRST = 20  # steps; later on, a training has grown the last bits into another, equally good result


def measure(*, quick: bool) -> None:
    """Print one row an engine, device and batch; the differences are those to the reference engine on the CPU."""
    import torch

    there = torch.cuda.is_available()
    places = [("reference", "cpu"), ("fast", "cpu"), *([("reference", "cuda")] if there else [])]
    print(f"GPU: {torch.cuda.get_device_name()}" if there else "No GPU that torch can use is here; everything is computed on the CPU.")
    print(f"{'batch':>6} {'engine':>10} {'device':>6} {'ms a step':>10} {f'largest difference after {FIRST} steps':>36} {'same bits twice':>16}")
    for batch, timed in ({128: 5, 4096: 5} if quick else STEPS).items():
        data = generate_cosmetics(seed=1, formulas=200 if quick else max(1745, 2 * batch), materials=500 if quick else 5485).data
        parts = np.where(np.arange(len(data.formula_ids)) % 10 < 7, "train", "eval").astype(object)
        settings = from_recipe("default", property="viscosity", steps=FIRST + timed, batch_size=batch, members=0)
        problem = build_problem(data, observations(data, "viscosity", ()), parts, settings)
        first: np.ndarray | None = None
        for name, device in places:
            early, late, spent = _trained(name, device, problem, settings)
            again = _trained(name, device, problem, settings)[1]
            first = early if first is None else first
            same = "yes" if np.array_equal(late, again) else "no"
            print(f"{batch:>6} {name:>10} {device:>6} {1e3 * spent:>10.2f} {np.abs(early - first).max():>36.1e} {same:>16}", flush=True)


def _trained(name: str, device: str, problem: Problem, settings: TrainingSettings) -> tuple[np.ndarray, np.ndarray, float]:
    """(M, N_entries) vectors after ``FIRST`` steps and at the end, and the seconds a step between them."""
    with one_thread():  # as a training has it
        engine = build_engine(name, problem, settings, device=device)
        order = Order(problem.rows("train"), generator(1, "device"))
        order.advance(engine, 0, FIRST, settings.batch_size)  # compiles and warms up
        early = engine.vectors(FIRST).copy()
        begun = time.perf_counter()
        order.advance(engine, FIRST, settings.steps, settings.batch_size)
        late = engine.vectors(settings.steps).copy()  # waits for the device
        return early, late, (time.perf_counter() - begun) / (settings.steps - FIRST)
