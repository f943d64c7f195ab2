"""Where the reference engine computes: refusals without a GPU, and equal results with one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matrep_core.cli import main
from matrep_core.errors import SettingRefused
from matrep_core.formulas.schema import observations
from matrep_core.formulas.storage import write_csv_folder
from matrep_core.model.engine import Order, build_engine, named_engine
from matrep_core.model.network import product_in_order
from matrep_core.model.problem import build_problem
from matrep_core.sampling import generator
from tests.test_study import settings

HERE = torch.cuda.is_available()


def trained(data, device):
    """The reference engine after 60 steps, and the state it would resume from."""
    chosen = settings(n_entries=5, steps=60, batch_size=32)
    parts = np.where(np.arange(len(data.formula_ids)) % 10 < 7, "train", "eval").astype(object)
    problem = build_problem(data, observations(data, "viscosity", ()), parts, chosen)
    engine = build_engine("reference", problem, chosen, device=device)
    order = Order(problem.rows("train"), generator(1, "device"))
    order.advance(engine, 0, 30, 32)
    other = build_engine("reference", problem, chosen, device=device)
    other.restore(engine.state())  # what a checkpoint holds goes on as well
    order.advance(other, 30, 60, 32)
    return other.vectors(60), other.predict(np.arange(20))


def test_cuda_without_a_gpu_is_a_sentence_and_leaves_nothing(small_cosmetics, tmp_path, capsys):
    if HERE:
        pytest.skip("this machine has a GPU")
    write_csv_folder(small_cosmetics, tmp_path / "data")
    words = ["train", tmp_path / "data", "--property", "viscosity", "--out", tmp_path / "run", "--device", "cuda"]
    assert main([*map(str, words)]) == 1
    assert "no GPU that torch can use" in capsys.readouterr().err and not (tmp_path / "run").exists()
    with pytest.raises(SettingRefused, match="no GPU"):
        trained(small_cosmetics, "cuda")


def test_names_of_engines_and_devices():
    assert named_engine("auto", "cuda") == named_engine("reference", "auto") == "reference" and named_engine("auto", "cpu") == "fast"
    for engine, device, words in (("fast", "cuda", "fast engine computes on the CPU"), ("auto", "tpu", "choose auto, cpu, cuda"), ("slow", "cpu", "engine")):
        with pytest.raises(SettingRefused, match=words):
            named_engine(engine, device)


def test_auto_gives_the_results_of_the_cpu(small_cosmetics):
    """The same bits without a GPU, and with one nearly the same."""
    for ours, theirs in zip(trained(small_cosmetics, "auto"), trained(small_cosmetics, "cpu"), strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-3 if HERE else 0)


def test_the_product_of_a_gpu_is_the_product():
    """Its two calls are all that a GPU computes otherwise; a row without terms is zero."""
    dense = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    matrix = np.where(np.random.default_rng(1).random((5, 7)) < 0.5, 1.5, 0).astype(np.float32)
    matrix[2] = 0
    found = product_in_order(torch.from_numpy(matrix).to_sparse_csr(), torch.from_numpy(dense))
    np.testing.assert_allclose(found.numpy(), matrix @ dense, atol=1e-6)


def test_a_training_gives_the_same_bits_twice(small_cosmetics):
    """On a GPU, too, where the products of cuSPARSE do not."""
    for once, twice in zip(trained(small_cosmetics, "auto"), trained(small_cosmetics, "auto"), strict=True):
        np.testing.assert_array_equal(once, twice)
