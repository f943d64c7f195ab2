"""Planted groups are found again, numbered by size, and untrained materials belong to none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from matrep_core.errors import SettingRefused
from matrep_core.views.clustering import NO_CLUSTER, hdbscan, kmeans, silhouette, suggest_clusters

SIZES = (40, 90, 20)
Planted = tuple[np.ndarray, np.ndarray, np.ndarray]
Find = Callable[[np.ndarray, np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def planted() -> Planted:
    """Vectors of three groups in a shuffled order, which of them trained, and the group of each."""
    random = np.random.default_rng(3)
    centres = np.array([[4, 0, 0, 0, 0], [0, 4, 0, 0, 0], [0, 0, 0, 4, 0]], dtype=float)
    group = random.permutation(np.repeat(np.arange(3), SIZES))
    vectors = centres[group] + random.normal(0, 0.3, (len(group), 5))
    trained = random.random(len(group)) < 0.8
    vectors[~trained] = random.normal(0, 0.01, (np.sum(~trained), 5))
    return vectors, trained, group


@pytest.mark.parametrize("find", [lambda v, t: kmeans(v, t, 3), lambda v, t: hdbscan(v, t, 8)])
def test_planted_groups_are_found_and_numbered_by_size(planted: Planted, find: Find) -> None:
    vectors, trained, group = planted
    labels = find(vectors, trained)
    assert (labels[~trained] == NO_CLUSTER).all()
    assert (labels[trained] != NO_CLUSTER).all()
    sizes = np.bincount(labels[trained])
    assert sizes.tolist() == sorted(sizes, reverse=True)
    for number, planted_group in enumerate((1, 0, 2)):  # largest first
        assert set(labels[trained & (group == planted_group)]) == {number}


def test_the_same_answer_every_time_and_in_every_order_of_size(planted: Planted) -> None:
    vectors, trained, _ = planted
    np.testing.assert_array_equal(kmeans(vectors, trained, 7), kmeans(vectors, trained, 7))
    doubled = np.vstack([vectors, vectors[trained]])
    np.testing.assert_array_equal(
        kmeans(doubled, np.r_[trained, np.ones(trained.sum(), bool)], 3)[: len(vectors)], kmeans(vectors, trained, 3)
    )


def test_scattered_materials_are_no_cluster_for_hdbscan(planted: Planted) -> None:
    vectors, trained, _ = planted
    far = np.vstack([vectors, [[50.0] * 5, [-50.0] * 5]])
    labels = hdbscan(far, np.r_[trained, True, True], 8)
    assert labels[-2:].tolist() == [NO_CLUSTER, NO_CLUSTER]
    assert hdbscan(vectors[:3], np.array([True, True, False]), 8).tolist() == [NO_CLUSTER] * 3


def test_the_planted_number_is_suggested(planted: Planted) -> None:
    vectors, trained, _ = planted
    assert suggest_clusters(vectors, trained) == 3
    assert suggest_clusters(np.zeros((30, 2)), np.ones(30, bool)) is None


def test_the_silhouette_tells_groups_from_a_cut_through_one(planted: Planted) -> None:
    from sklearn.metrics import silhouette_score

    vectors, trained, _ = planted
    labels = kmeans(vectors, trained, 3)
    assert silhouette(vectors, labels) == pytest.approx(silhouette_score(vectors[trained], labels[trained]))
    assert silhouette(vectors, labels) > 0.7
    cloud = np.random.default_rng(6).normal(size=(2_000, 8))
    assert silhouette(cloud, kmeans(cloud, np.ones(2_000, bool), 3)) < 0.2
    assert np.isnan(silhouette(vectors, np.zeros(len(vectors), int)))


@pytest.mark.parametrize("clusters", [1, 51, 2.0, True])
def test_refuses_a_number_of_clusters_out_of_bounds(planted: Planted, clusters: object) -> None:
    with pytest.raises(SettingRefused, match="from 2 to 50"):
        kmeans(planted[0], planted[1], clusters)  # type: ignore[arg-type]


def test_refuses_more_clusters_than_different_vectors() -> None:
    vectors = np.array([[0.0], [0.0], [1.0], [2.0]])
    with pytest.raises(SettingRefused, match="only 2 trained"):
        kmeans(vectors, np.array([True, True, True, False]), 3)
