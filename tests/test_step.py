"""The compiled steps against torch: the same numbers after many steps, for every activation, loss and batch size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from matrep_core.formulas.schema import observations
from matrep_core.formulas.splits import split_formulas
from matrep_core.model.activations import ACTIVATIONS, activate
from matrep_core.model.predicting import regress
from matrep_core.model.problem import Problem, build_problem
from matrep_core.model.step import BLOCK
from matrep_core.settings import TrainingSettings, from_recipe
from matrep_core.model.engine import Engine, build_engine

STEPS = 60


def problem_of(data, settings: TrainingSettings) -> Problem:
    observed = observations(data, settings.property, settings.conditions)
    split = split_formulas(data, np.unique(observed.formulas), "random", 0.7, 0)
    parts = np.full(len(data.formula_ids), "", dtype=object)
    parts[split.train], parts[split.eval] = "train", "eval"
    return build_problem(data, observed, parts, settings)


def trained(name: str, problem: Problem, settings: TrainingSettings) -> Engine:
    engine = build_engine(name, problem, settings)
    rows, order = problem.rows("train"), np.random.default_rng(5)
    step = 0
    while step < STEPS:
        done, _, _ = engine.train(order.permutation(rows)[: (STEPS - step) * settings.batch_size], step)
        step += done
    return engine


def settings_with(**changes) -> TrainingSettings:
    base = {"property": "viscosity", "steps": STEPS, "batch_size": 8, "hidden_width": 16, "start": 0.05, "learning_rate": 0.003}
    return from_recipe("default", **{**base, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"code_activation": "sigmoid", "hidden_activation": "sigmoid"},
        {"code_activation": "identity", "hidden_activation": "relu"},
        {"loss": "absolute", "hidden_activation": "sigmoid"},
        {"loss": "squared", "batch_size": 32},
        {"batch_size": 1},
        {"batch_size": 500, "n_entries": 1},
        {"n_entries": 33, "layers": 2},
        {"vector_decay": 0.3, "weight_decay": 0.5, "layers": 6},
        {"conditions": ("pH",), "property": "density"},
        {"schedule": "constant", "scale": "raw"},
    ],
    ids=str,
)
def test_the_compiled_steps_are_torchs_adamw(small_cosmetics, changes):
    settings = settings_with(**changes)
    if settings.conditions:
        keep = small_cosmetics.measurements["property"].isin(["pH", "density"])
        both = small_cosmetics.measurements[keep].groupby("formula")["property"].transform("nunique") == 2
        from dataclasses import replace

        small_cosmetics = replace(small_cosmetics, measurements=small_cosmetics.measurements[keep & both].reset_index(drop=True))
    problem = problem_of(small_cosmetics, settings)
    fast, reference = (trained(name, problem, settings) for name in ("fast", "reference"))
    start = build_engine("fast", problem, settings)
    moved = np.abs(reference.vectors(STEPS) - start.vectors(0)).max()
    assert moved > 0.01, "the vectors must have moved for the comparison to mean anything"
    # 60 steps of float32 with another order of summation; the moves are 10^2 to 10^4 times larger.
    np.testing.assert_allclose(fast.vectors(STEPS), reference.vectors(STEPS), atol=2e-4 * max(1.0, moved))
    np.testing.assert_allclose(fast.regressor(), reference.regressor(), atol=1e-3)
    rows = problem.rows("train", "eval")
    scale = max(1.0, float(np.abs(problem.targets).max()))
    np.testing.assert_allclose(fast.predict(rows), reference.predict(rows), atol=2e-3 * scale)


def test_a_row_that_is_seldom_met_catches_up_with_torch(small_cosmetics):
    """Gaps far beyond one step: the first material's formula comes first and last only."""
    settings = settings_with(batch_size=2, steps=400, vector_decay=0.05)
    problem = problem_of(small_cosmetics, settings)
    rows = problem.rows("train")
    first = rows[:2]
    order = np.concatenate([first, np.tile(rows[2:], 20)[: 2 * 398], first])
    engines = []
    for name in ("fast", "reference"):
        engine = build_engine(name, problem, settings)
        assert engine.train(order, 0)[0] == 400
        engines.append(engine)
    np.testing.assert_allclose(engines[0].vectors(400), engines[1].vectors(400), atol=2e-3)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_are_exact_to_float32(kind):
    x = np.concatenate([np.linspace(-30, 30, 20001), [0.0, 1e-8, -1e-8, 1e-3, 1e30, -1e30]]).astype(np.float32)
    exact = {
        "identity": x, "tanh": np.tanh(x.astype(float)), "relu": np.maximum(x, 0),
        "sigmoid": 0.5 + 0.5 * np.tanh(x.astype(float) / 2),
    }[kind]  # fmt: skip
    mine = x.copy()
    activate(mine, ACTIVATIONS[kind])
    np.testing.assert_allclose(mine, exact, rtol=1e-6, atol=2e-7)
    hole = np.array([np.nan], np.float32)
    activate(hole, ACTIVATIONS[kind])
    assert np.isnan(hole[0])


def test_what_is_kept_predicts_as_the_engine_did(small_cosmetics):
    settings = settings_with()
    problem = problem_of(small_cosmetics, settings)
    engine = trained("fast", problem, settings)
    rows = problem.rows("eval")
    amounts = csr_array((problem.amounts, problem.indices, problem.indptr), shape=(len(problem.targets), problem.materials))
    inputs = np.concatenate([amounts[rows] @ engine.vectors(STEPS), problem.conditions[rows]], axis=1)
    kept = regress(inputs, engine.regressor(), engine.layout, settings.hidden_activation)
    np.testing.assert_allclose(engine.predict(rows), kept, atol=1e-5)


def test_a_batch_of_several_blocks_is_one_step_and_none_where_its_last_block_is_not_finite(small_cosmetics):
    size = 2 * BLOCK + 50
    settings = settings_with(batch_size=size)
    problem = problem_of(small_cosmetics, settings)
    *rows, bad = problem.rows("train")
    problem.targets[bad] = np.inf
    order = np.resize(rows, 20 * size)
    engines = [build_engine(name, problem, settings) for name in ("fast", "reference")]
    for engine in engines:
        assert engine.train(np.append(order[: size - 1], bad), 0)[0] == 0
        done, _, seen = engine.train(order, 0)
        assert (done, seen) == (20, len(order))
    fast, reference = engines
    assert np.abs(reference.vectors(20) - build_engine("fast", problem, settings).vectors(0)).max() > 0.01
    np.testing.assert_allclose(fast.vectors(20), reference.vectors(20), atol=2e-4)
    np.testing.assert_allclose(fast.regressor(), reference.regressor(), atol=1e-3)


def test_a_loss_that_is_not_finite_stops_before_its_step(small_cosmetics):
    settings = settings_with()
    problem = problem_of(small_cosmetics, settings)
    rows = problem.rows("train")
    bad = rows[20]
    problem.targets[bad] = np.inf
    for name in ("fast", "reference"):
        engine = build_engine(name, problem, settings)
        order = np.concatenate([rows[:16], rows[16:24]])
        done, _, seen = engine.train(order, 0)
        assert (done, seen) == (2, 16)
        assert engine.finite()
