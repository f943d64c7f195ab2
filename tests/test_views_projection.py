"""Pictures: PCA against scikit-learn's, UMAP repeated in other processes, and what a picture keeps."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from matrep_core.errors import MatRepError, SettingRefused
from matrep_core.runs.files import held_lock
from matrep_core.views.cache import cache_path, content_key, prune, read_cached, write_cached
from matrep_core.views.layouts import umap_layout
from matrep_core.views.projection import faithfulness, pca_basis, raw_axes


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    random = np.random.default_rng(4)
    centres = random.normal(size=(3, 6)) * 3
    return np.tanh(centres[np.arange(90) % 3] + random.normal(0, 0.4, (90, 6))).astype(np.float32)


def test_raw_axes_are_the_entries_as_they_are(vectors: np.ndarray) -> None:
    picture = raw_axes(vectors, [4, 1])
    np.testing.assert_array_equal(picture.coordinates, vectors[:, [4, 1]])
    assert picture.axes == ("entry 5", "entry 2")
    np.testing.assert_array_equal(raw_axes(vectors).coordinates, vectors)


@pytest.mark.parametrize("axes", [[], [0, 1, 2, 3], [1, 1], [6], [-1]])
def test_raw_axes_out_of_bounds_are_refused(vectors: np.ndarray, axes: list[int]) -> None:
    with pytest.raises(SettingRefused, match="from 1 to 6"):
        raw_axes(vectors, axes)


def test_pca_equals_scikit_learn(vectors: np.ndarray) -> None:
    from sklearn.decomposition import PCA

    basis = pca_basis(vectors, 3)
    reference = PCA(3).fit(vectors.astype(float))
    np.testing.assert_allclose(basis.explained, reference.explained_variance_ratio_, rtol=1e-6)
    signs = np.sign(np.sum(basis.directions.T * reference.components_, axis=1, keepdims=True))
    np.testing.assert_allclose(basis.directions.T, reference.components_ * signs, atol=1e-6)
    np.testing.assert_allclose(basis.apply(vectors).coordinates, reference.transform(vectors) * signs.T, atol=1e-5)


def test_pca_never_flips_and_one_basis_serves_all_frames(vectors: np.ndarray) -> None:
    basis = pca_basis(vectors, 2)
    np.testing.assert_allclose(pca_basis(-vectors, 2).directions, basis.directions, atol=1e-12)
    assert (basis.directions[np.abs(basis.directions).argmax(axis=0), [0, 1]] > 0).all()
    half = basis.apply(vectors / 2).coordinates
    shift = (basis.mean @ basis.directions) / 2
    np.testing.assert_allclose(half, basis.apply(vectors).coordinates / 2 - shift, atol=1e-5)


def test_materials_that_never_trained_do_not_shape_the_basis(vectors: np.ndarray) -> None:
    trained = np.arange(90) < 60
    moved = vectors.copy()
    moved[60:] += 100
    np.testing.assert_array_equal(pca_basis(moved, 2, trained).directions, pca_basis(vectors[:60], 2).directions)
    assert pca_basis(moved, 2, trained).apply(moved).coordinates.shape == (90, 2)


def test_pca_of_materials_at_one_place() -> None:
    basis = pca_basis(np.ones((5, 2)), 2)
    assert basis.explained.tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(basis.apply(np.ones((5, 2))).coordinates, np.zeros((5, 2)))
    with pytest.raises(SettingRefused):
        pca_basis(np.ones((5, 2)), 3)


def test_umap_is_computed_once_for_two_that_ask_and_repeats_exactly_in_another_process(
    vectors: np.ndarray, tmp_path: Path
) -> None:
    answers: list[np.ndarray] = []
    ask = [threading.Thread(target=lambda: answers.append(umap_layout(tmp_path, vectors).coordinates)) for _ in "ab"]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    np.testing.assert_array_equal(answers[0], answers[1])
    (kept,) = {file.name for file in (tmp_path / "cache").iterdir()} - {".turn"}  # the lock of those that wait
    assert kept.endswith(".safetensors")
    waited: list[float] = []
    np.testing.assert_array_equal(umap_layout(tmp_path, vectors, waiting=waited.append).coordinates, answers[0])
    assert waited == []

    elsewhere = umap_layout(tmp_path / "elsewhere", vectors, waiting=waited.append).coordinates
    assert waited == sorted(waited) and waited
    np.testing.assert_array_equal(elsewhere, answers[0])
    assert elsewhere.shape == (90, 2) and np.isfinite(elsewhere).all()
    group = np.arange(90) % 3
    centres = np.array([elsewhere[group == g].mean(axis=0) for g in range(3)])
    assert (np.linalg.norm(elsewhere[:, None] - centres, axis=2).argmin(axis=1) == group).all()


def test_too_few_materials_and_a_cache_that_cannot_be_written(vectors: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(SettingRefused, match="at least 20"):
        umap_layout(tmp_path, vectors[:19])
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(MatRepError, match="artifacts folder"):
        umap_layout(tmp_path, vectors)


def test_the_page_process_never_imports_umap(vectors: np.ndarray, tmp_path: Path) -> None:
    key = content_key({"vectors": vectors}, layout="umap", version=1, dimensions=2, seed=0)
    write_cached(cache_path(tmp_path, key), {"coordinates": np.zeros((90, 2), np.float32)})
    np.save(tmp_path / "vectors.npy", vectors, allow_pickle=False)
    program = (
        "import sys, numpy, pathlib\n"
        "from matrep_core.views import clustering, layouts, projection, neighbours\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "vectors = numpy.load(root / 'vectors.npy', allow_pickle=False)\n"
        "assert layouts.umap_layout(root, vectors).coordinates.shape == (90, 2)\n"
        "print(sorted({'umap', 'torch', 'sklearn', 'numba', 'streamlit'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_cache_notices_every_changed_byte(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "x.safetensors"
    write_cached(path, {"coordinates": np.arange(6, dtype=np.float32).reshape(3, 2)})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        found = read_cached(path)
        assert found is None or np.array_equal(found["coordinates"], np.arange(6).reshape(3, 2)), place
    path.write_bytes(whole[:-3])
    assert read_cached(path) is None


def test_the_cache_forgets_the_longest_unused_and_what_a_killed_worker_left(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    for age, name in enumerate("abcd"):
        write_cached(cache_path(tmp_path, name), {"x": np.zeros(1_000)})
        os.utime(cache_path(tmp_path, name), (10_000 + age, 10_000 + age))
    size = cache_path(tmp_path, "a").stat().st_size
    assert read_cached(cache_path(tmp_path, "a")) is not None  # used now
    for name, age in (("old.question", 90_000), ("new.question", 60), ("busy.in", 90_000)):
        (folder / name).write_text("{}")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    with held_lock(folder / "busy.lock", ""):
        prune(folder, 2 * size + 10)
    assert {file.name for file in folder.iterdir()} == {
        "a.safetensors", "d.safetensors", "new.question", "busy.in", "busy.lock",
    }  # fmt: skip
    prune(folder, 0)
    assert not list(folder.glob("*.safetensors"))
    prune(tmp_path / "nowhere")


def test_a_picture_of_everything_keeps_everything_and_a_random_one_keeps_chance() -> None:
    random = np.random.default_rng(5)
    plane = random.normal(size=(400, 2))
    full = faithfulness(plane, plane @ np.array([[0, 1], [-1, 0]]))
    assert (full.kept, full.of, full.sampled) == (10.0, 10, 400)
    lost = faithfulness(plane, random.normal(size=(400, 2)))
    assert lost.kept == pytest.approx(lost.by_chance, abs=0.1)
    assert faithfulness(plane, plane[:, :1], sample=50).sampled == 50
    assert faithfulness(plane[:7], plane[:7]).of == 3
    with pytest.raises(SettingRefused):
        faithfulness(plane[:2], plane[:2])
