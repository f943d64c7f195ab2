"""Dynamics: every figure against brute force on small frames; events on courses whose answer is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.schema import FormulaSet
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_core.views.alignment import common_materials, common_neighbours, procrustes
from matrep_core.views.clustering import NO_CLUSTER
from matrep_core.views.dynamics import Course, course, events, held_since, moved_most, movement, neighbour_history
from matrep_core.views.film import pca_film, quantised, raw_film
from matrep_core.views.neighbours import all_neighbours
from matrep_core.views.projection import pca_basis
from matrep_core.views.tracking import grouped, matched
from matrep_core.views.trajectory import Trajectory, trajectory
from matrep_core.views.trust import trust


def way_of(frames: np.ndarray, trained: np.ndarray | None = None) -> Trajectory:
    """(T, M, N) floats as the frames of a run would hold them."""
    film = quantised(np.asarray(frames, np.float64), ())
    count = frames.shape[1]
    steps = np.unique(np.geomspace(1, 10_000, len(frames)).astype(np.int64)) if len(frames) > 1 else np.array([0])
    return Trajectory(steps, film.codes, film.scales, np.ones(count, bool) if trained is None else trained, "k", ())


@pytest.fixture(scope="module")
def way() -> Trajectory:
    """From one cloud around the origin to three groups; the last fifth of the materials never trains."""
    random = np.random.default_rng(2)
    start = random.normal(0, 0.01, (60, 4))
    goal = np.array([[1, 0, 0, 0], [-1, 0.5, 0, 0], [0, -1, 0.5, 0]])[np.arange(60) % 3] + random.normal(0, 0.05, (60, 4))
    trained = np.arange(60) < 48
    goal[~trained] = start[~trained]
    shares = np.linspace(0, 1, 9) ** 3
    return way_of(np.stack([start + share * (goal - start) for share in shares]), trained)


# Movement and events --------------------------------------------------------------------------------


def test_movement_and_what_moved_most(way: Trajectory) -> None:
    first, last = way.vectors(0), way.vectors(8)
    by_hand = [float(np.sqrt(((b - a) ** 2).sum())) for a, b in zip(first, last)]
    np.testing.assert_allclose(movement(way, 0, 8), by_hand)
    indices, distances = moved_most(way, 0, 8, 5)
    order = sorted(range(48), key=lambda i: -by_hand[i])[:5]
    assert indices.tolist() == order
    np.testing.assert_allclose(distances, [by_hand[i] for i in order])
    assert movement(way, 3, 3).max() == 0


def test_the_course_counts_trained_materials_alone(way: Trajectory) -> None:
    found = course(way)
    for frame in (0, 4, 8):
        points, start, before = (way.vectors(f)[:48] for f in (frame, 0, max(0, frame - 1)))
        assert found.away[frame] == pytest.approx(np.sqrt(((points - start) ** 2).sum(1).mean()))
        assert found.moved[frame] == pytest.approx(np.sqrt(((points - before) ** 2).sum(1).mean()))
        singular = np.linalg.svd(points - points.mean(0), compute_uv=False) ** 2
        assert found.first_axis[frame] == pytest.approx(singular[0] / singular.sum())


def test_events_are_named_where_they_happen_and_not_elsewhere(way: Trajectory) -> None:
    away = np.array([0, 0.01, 0.05, 0.2, 0.9, 1, 1, 1, 1.0])
    moved = np.array([0, 0.01, 0.04, 0.15, 0.7, 0.1, 0, 0, 0])
    first_axis = np.array([0.3, 0.7, 0.3, 0.5, 0.7, 0.8, 0.8, 0.8, 0.8])
    silhouettes = np.array([0, 0, 0, 0.1, 0.2, 0.3, 0.5, 0.5, 0.5])
    found = events(way, Course(away, moved, first_axis), silhouettes)
    assert [(e.frame, e.name) for e in found] == [
        (3, "leaves the origin"), (4, "largest movement"), (4, "spreads along one dimension"), (5, "groups form"),
    ]  # fmt: skip
    assert [e.step for e in found] == [int(way.steps[e.frame]) for e in found]
    assert "70%" in found[2].why and "0.30" in found[3].why

    still = Course(np.zeros(9), np.zeros(9), np.full(9, 0.3))
    assert events(way, still, np.full(9, 0.2)) == []
    one = Trajectory(way.steps, way.codes[:, :, :1], way.scales, way.trained, "", ())
    assert "spreads along one dimension" not in [e.name for e in events(one, Course(away, moved, np.ones(9)))]


# Neighbours -----------------------------------------------------------------------------------------


def test_neighbours_over_frames_are_those_of_the_exact_search(way: Trajectory) -> None:
    asked = np.array([0, 7, 47, 55])  # the last one never trained: it may ask, nobody may name it
    found = neighbour_history(way, asked, 6)
    for frame in range(len(way)):
        vectors = np.vstack([way.codes[frame][:48], way.codes[frame][55]]).astype(float)
        exact, _ = all_neighbours(vectors, 6, queries=np.array([0, 7, 47, 48]))
        for row in range(3):
            apart = np.delete(vectors, 48, axis=0)
            alone, _ = all_neighbours(apart, 6, queries=np.array([asked[row]]))
            assert found[frame, row].tolist() == alone[0].tolist()
        assert found[frame, 3].tolist() == exact[3].tolist()
    assert found.max() < 48


def test_equal_distances_stand_in_the_order_of_the_codes_and_missing_ones_are_minus_one() -> None:
    square = np.array([[[1, 1], [-1, 1], [-1, -1], [1, -1], [0, 0]]], float)
    found = neighbour_history(way_of(square), np.array([4, 0]), 6)
    assert found[0].tolist() == [[0, 1, 2, 3, -1, -1], [4, 1, 3, 2, -1, -1]]


def test_since_when_a_neighbour_has_held() -> None:
    history = np.array([[[1, 2]], [[2, 3]], [[3, 2]], [[4, 3]], [[2, 3]]])
    assert held_since(history)[:, 0].tolist() == [[0, 0], [0, 1], [1, 0], [3, 1], [4, 1]]


# Trust ----------------------------------------------------------------------------------------------


def brute_force(original: np.ndarray, picture: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Venna & Kaski's sums, each term by itself."""
    count = len(original)

    def order(points: np.ndarray, i: int) -> list[int]:
        others = [j for j in range(count) if j != i]
        return sorted(others, key=lambda j: (int(((points[i].astype(int) - points[j].astype(int)) ** 2).sum()), j))

    both = []
    for seen, measured in ((picture, original), (original, picture)):
        sums = []
        for i in range(count):
            ranks = {j: place + 1 for place, j in enumerate(order(measured, i))}
            sums.append(sum(max(0, ranks[j] - k) for j in order(seen, i)[:k]))
        both.append(1 - 2 * np.array(sums) / (k * (2 * count - 3 * k - 1)))
    return both[0], both[1]


def test_trust_equals_the_sums_of_the_paper_for_each_material(way: Trajectory) -> None:
    random = np.random.default_rng(0)
    drawn = way.codes[:, :, :2].copy()
    drawn[4, :, 1] = random.integers(-3, 4, 60)  # many equal distances
    (found,) = trust(way, [drawn])
    assert found.of == 10
    for frame in (0, 4, 8):
        near, kept = brute_force(way.codes[frame][:48], drawn[frame][:48], 10)
        np.testing.assert_allclose(found.each_trustworthiness[frame, :48], near, atol=1e-6)
        np.testing.assert_allclose(found.each_continuity[frame, :48], kept, atol=1e-6)
        original, picture = (codes[frame][:48].astype(float) for codes in (way.codes, drawn))
        both = [all_neighbours(points, 10)[0] for points in (original, picture)]
        shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(*both)]
        np.testing.assert_allclose(found.each_kept[frame, :48], shares, atol=1e-6)
        assert found.kept[frame] == pytest.approx(np.mean(shares), abs=1e-6)
        assert found.trustworthiness[frame] == pytest.approx(near.mean(), abs=1e-6)
        assert found.continuity[frame] == pytest.approx(kept.mean(), abs=1e-6)
    assert np.isnan(found.each_trustworthiness[:, 48:]).all() and np.isnan(found.each_kept[:, 48:]).all()
    assert found.by_chance == pytest.approx(10 / 47)


def test_trust_equals_scikit_learn(way: Trajectory) -> None:
    from sklearn.manifold import trustworthiness

    drawn = way.codes[:, :, :1]
    (found,) = trust(way, [drawn])
    for frame in (0, 5, 8):
        original, picture = way.codes[frame][:48].astype(float), drawn[frame][:48].astype(float)
        assert found.trustworthiness[frame] == pytest.approx(trustworthiness(original, picture, n_neighbors=10), abs=1e-3)


def test_a_picture_of_everything_keeps_all_and_several_are_measured_alike(way: Trajectory) -> None:
    told: list[float] = []
    full, turned, line = trust(way, [way.codes, way.codes[:, :, ::-1].copy(), way.codes[:, :, :1]], told.append)
    assert (full.trustworthiness == 1).all() and (full.continuity == 1).all() and (full.kept == 1).all()
    assert (turned.trustworthiness == 1).all()
    assert line.trustworthiness.max() < 1
    assert told == sorted(told) and told[-1] == 1
    with pytest.raises(SettingRefused, match="at least 4"):
        trust(way_of(np.zeros((1, 3, 2))), [np.zeros((1, 3, 2), np.int16)])


# Groups ---------------------------------------------------------------------------------------------


def test_groups_keep_their_numbers_back_to_where_they_form(way: Trajectory) -> None:
    for method, number in (("KMeans", 3), ("HDBSCAN", 5)):
        found = grouped(way, method, number)
        assert found.labels.shape == (9, 60) and (found.labels[:, 48:] == NO_CLUSTER).all()
        np.testing.assert_array_equal(found.labels[-1], found.pinned)
        np.testing.assert_array_equal(found.labels[6], found.pinned)
        assert found.silhouettes[-1] > 0.8 > 0.2 > found.silhouettes[0]
        np.testing.assert_array_equal(grouped(way, method, number).labels, found.labels)
    with pytest.raises(SettingRefused):
        grouped(way, "KMeans", 49)


def test_materials_that_all_start_at_one_place_are_one_group_there(way: Trajectory) -> None:
    codes = way.codes.copy()
    codes[:2] = 0
    started = Trajectory(way.steps, codes, way.scales, way.trained, "", ())
    found = grouped(started, "KMeans", 3)
    assert set(found.labels[0][:48]) == {0} and set(found.labels[-1][:48]) == {0, 1, 2}
    assert np.isfinite(course(started).away).all() and np.isnan(course(started).first_axis[0])


def test_matching_is_one_to_one_and_names_new_groups_anew() -> None:
    reference = np.array([0, 0, 0, 1, 1, 1, -1, 2, 2])
    labels = np.array([2, 2, 2, 0, 0, 1, 1, -1, 3])
    assert matched(labels, reference).tolist() == [0, 0, 0, 1, 1, 3, 3, -1, 2]
    assert matched(np.full(3, -1), np.array([0, 1, 1])).tolist() == [-1, -1, -1]


# Two runs -------------------------------------------------------------------------------------------


def test_procrustes_finds_the_turn_and_changes_no_distance() -> None:
    random = np.random.default_rng(3)
    target = random.normal(size=(40, 3))
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    found = procrustes(2 * target @ turn + 5, target)
    np.testing.assert_allclose(found.rotation, turn.T, atol=1e-9)
    assert found.agreement == pytest.approx(1)
    np.testing.assert_allclose(found.rotation.T @ found.rotation, np.eye(3), atol=1e-12)
    assert procrustes(random.normal(size=(400, 3)), random.normal(size=(400, 3))).agreement < 0.1

    wide = np.hstack([target @ turn, np.zeros((40, 2))])
    np.testing.assert_allclose(procrustes(wide, target).apply(wide), target, atol=1e-9)
    np.testing.assert_allclose(procrustes(target, wide).apply(target), wide, atol=1e-9)
    with pytest.raises(SettingRefused):
        procrustes(target[:1], target[:1])


def test_common_neighbours_of_a_run_with_itself_turned_and_with_noise(way: Trajectory) -> None:
    rows = (np.arange(60), np.arange(60)[::-1].copy())
    mirrored = Trajectory(way.steps, way.codes[:, ::-1, ::-1], way.scales, way.trained[::-1], "", ())
    same = common_neighbours(way, mirrored, rows)
    assert same.share.mean() > 0.97  # equal distances may stand in another order
    noise = way_of(np.random.default_rng(9).normal(size=(9, 60, 4)), way.trained)
    other = common_neighbours(way, noise, (np.arange(60), np.arange(60)))
    assert other.share.mean() == pytest.approx(other.by_chance, abs=0.06)
    assert common_materials(("a", "b", "c"), ("c", "x", "a"))[1].tolist() == [2, 0]


# Projections of all frames, and a real run --------------------------------------------------------------


def test_films_are_what_one_frame_alone_would_be(way: Trajectory) -> None:
    basis = pca_basis(way.vectors(-1), 3, way.trained)
    film = pca_film(way, basis)
    for frame in (0, 8):
        np.testing.assert_allclose(film.coordinates(frame), basis.apply(way.vectors(frame)).coordinates, atol=1e-4)
    raw = raw_film(way, [2, 0])
    np.testing.assert_allclose(raw.coordinates(5), way.vectors(5)[:, [2, 0]])
    assert raw.axes == ("entry 3", "entry 1")


@pytest.fixture(scope="module")
def run(small_cosmetics: FormulaSet, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = from_recipe("default", property="viscosity", n_entries=3, steps=120, frames=8)
    made = prepare(tmp_path_factory.mktemp("runs") / "run", small_cosmetics, settings)
    fit(made)
    return made


def test_a_trajectory_holds_the_frames_and_grows_without_reading_them_again(run: Run, tmp_path: Path) -> None:
    whole = trajectory(run)
    for frame in range(len(whole)):
        np.testing.assert_allclose(whole.vectors(frame), run.frame(frame), rtol=1e-6)
    assert trajectory(run, whole) is whole
    for checkpoint in run.path.glob("step-*"):  # it counts the frames, and a training that has only begun has none
        shutil.rmtree(checkpoint)
    index = run.path / "frames" / "index.jsonl"
    lines = index.read_bytes().splitlines(keepends=True)
    try:
        index.write_bytes(b"".join(lines[:3]))
        part = trajectory(run)
        assert len(part) == 3 and part.key != whole.key
        index.write_bytes(b"".join(lines))
        blocks = run.path / "frames" / "vectors.bin"
        content = blocks.read_bytes()
        blocks.write_bytes(b"\0" * 6 + content[6:])  # the first frame is damaged, but held already
        grown = trajectory(run, part)
        np.testing.assert_array_equal(grown.codes, whole.codes)
        assert grown.key == whole.key
        blocks.write_bytes(content)
        index.write_bytes(b"")
        with pytest.raises(NotThere, match="has not started"):
            trajectory(run)
    finally:
        index.write_bytes(b"".join(lines))


def test_materials_leave_the_origin_in_a_real_run(run: Run) -> None:
    way = trajectory(run)
    found = course(way)
    assert found.away[-1] > 2 * np.linalg.norm(way.vectors(0)[way.trained], axis=1).mean()
    assert "leaves the origin" in [event.name for event in events(way, found)]
    assert way.frame_of(0) == 0 and way.frame_of(10**9) == len(way) - 1
