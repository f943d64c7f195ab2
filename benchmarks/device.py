"""The reference engine on the CPU and on a GPU, beside the fast engine: seconds a step, and how far the vectors differ."""

from __future__ import annotations

import time

import numpy as np

from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.schema import observations
from matrep_core.model.engine import Order, build_engine
from matrep_core.model.problem import build_problem
from matrep_core.sampling import generator
from matrep_core.settings import from_recipe

BATCHES = (128, 4096)


def measure(*, quick: bool) -> None:
    """Print one row an engine, device and batch; the differences are those to the reference engine on the CPU."""
    import torch

    there = torch.cuda.is_available()
    places = [("reference", "cpu"), ("fast", "cpu"), *([("reference", "cuda")] if there else [])]
    print(f"GPU: {torch.cuda.get_device_name()}" if there else "No GPU that torch can use is here; everything is computed on the CPU.")
    steps = 10 if quick else 300
    data = generate_cosmetics(seed=1, formulas=200 if quick else 1745, materials=500 if quick else 5485).data
    observed = observations(data, "viscosity", ())
    parts = np.where(np.arange(len(data.formula_ids)) % 10 < 7, "train", "eval").astype(object)
    print(f"{'batch':>6} {'engine':>10} {'device':>6} {'ms a step':>10} {'largest difference of a vector entry':>38}")
    for batch in BATCHES:
        settings = from_recipe("default", property="viscosity", steps=steps, batch_size=batch, members=0)
        problem = build_problem(data, observed, parts, settings)
        first: np.ndarray | None = None
        for name, device in places:
            engine = build_engine(name, problem, settings, device=device)
            order = Order(problem.rows("train"), generator(1, "device"))
            order.advance(engine, 0, steps // 2, batch)  # compiles and warms up
            begun = time.perf_counter()
            order.advance(engine, steps // 2, steps, batch)
            vectors = engine.vectors(steps)  # waits for the device
            spent = (time.perf_counter() - begun) / (steps - steps // 2)
            first = vectors.copy() if first is None else first
            print(f"{batch:>6} {name:>10} {device:>6} {1e3 * spent:>10.2f} {np.abs(vectors - first).max():>38.2e}", flush=True)
