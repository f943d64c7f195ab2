"""What happens to the material vectors over a run: how far they move, which move most, which neighbours hold, events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matrep_core.threads import one_thread
from matrep_core.views.trajectory import Trajectory

NEAREST = 10
LEFT = 0.1  # of the farthest way from the start
ONE_DIMENSION = 0.5  # of the way from equal spread along all axes to spread along one
GROUPS_AT_ALL = 0.25  # silhouette; below that there is no substantial structure (Kaufman & Rousseeuw 1990, table 4)
GROUPS_FORMED = 0.5  # of the final silhouette


@dataclass(frozen=True, eq=False)
class Course:
    """One number a frame of the trained materials, (T,) float64 each.

    away:       root mean square distance from where each one started
    moved:      root mean square distance since the frame before; 0 at the first
    first_axis: share of the spread along its own first principal axis; NaN where all stand at one place
    """

    away: np.ndarray
    moved: np.ndarray
    first_axis: np.ndarray


@dataclass(frozen=True)
class Event:
    """Something to look at: the frame and step at which it shows, its name, and the figure that says so."""

    frame: int
    step: int
    name: str
    why: str


def movement(way: Trajectory, start: int, end: int) -> np.ndarray:
    """(M,) distance in the original space between the places of each material in two frames."""
    return np.linalg.norm(way.vectors(end) - way.vectors(start), axis=1)


def moved_most(way: Trajectory, start: int, end: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` trained materials that moved most between two frames: indices and distances, farthest first."""
    distances = movement(way, start, end)
    members = np.flatnonzero(way.trained)
    order = members[np.argsort(-distances[members], kind="stable")[:count]]
    return order, distances[order]


def course(way: Trajectory) -> Course:
    """How the trained materials move and spread, frame by frame."""
    away, moved, share = np.zeros((3, len(way)))
    first = before = _trained_vectors(way, 0)
    with one_thread():  # products this small are slower on two threads, and far slower on a busy machine
        for frame in range(len(way)):
            now = _trained_vectors(way, frame)
            away[frame], moved[frame] = _root_mean_square(now - first), _root_mean_square(now - before)
            share[frame] = _first_axis(now)
            before = now
    return Course(away, moved, share)


def _trained_vectors(way: Trajectory, frame: int) -> np.ndarray:
    """(trained, N) float32, which halves the time and holds all of a stored number."""
    return way.codes[frame][way.trained] * np.float32(way.scales[frame])


def _root_mean_square(differences: np.ndarray) -> float:
    return float(np.sqrt(np.vdot(differences, differences) / len(differences))) if len(differences) else 0.0


def _first_axis(points: np.ndarray) -> float:
    if not len(points):
        return float("nan")
    centred = points - points.mean(axis=0)
    spread = np.linalg.eigvalsh((centred.T @ centred).astype(np.float64))
    total = float(spread.sum())
    return float(spread[-1]) / total if total > 0 else float("nan")


def events(way: Trajectory, found: Course, silhouettes: np.ndarray | None = None) -> list[Event]:
    """The events of a run in the order of their steps; one that does not happen is not named.

    leaves the origin            the materials are a tenth of their farthest way from where they started
    spreads along one dimension  the first axis holds half of what it could hold beyond an equal share of 1 / N
                                 (from there on, and at least two entries)
    groups form                  the groups of the last frame have half of their final silhouette, and that is 0.25 or more;
                                 ``silhouettes`` is (T,), of the LAST frame's labels on each frame, or None if not known yet
    largest movement             the frame with the longest way since the frame before; frames are spaced on a log scale,
                                 so this is the fastest change on the screen, not per step
    """
    entries = way.codes.shape[2]
    named: list[tuple[int, str, str]] = []

    def note(frame: int | None, name: str, why: Callable[[int], str]) -> None:
        if frame is not None:
            named.append((frame, name, why(frame)))

    farthest = found.away.max()
    if farthest > 0:
        note(
            _first(found.away >= LEFT * farthest), "leaves the origin",
            lambda f: f"{found.away[f] / farthest:.0%} of the farthest distance from the start",
        )  # fmt: skip
        note(
            int(found.moved.argmax()), "largest movement",
            lambda f: f"{found.moved[f]:.2g} on average since the frame before",
        )  # fmt: skip
    if entries > 1:
        bar = 1 / entries + ONE_DIMENSION * (1 - 1 / entries)
        note(
            _from_here_on(found.first_axis >= bar), "spreads along one dimension",
            lambda f: f"the first axis holds {found.first_axis[f]:.0%} of the spread",
        )  # fmt: skip
    if silhouettes is not None and silhouettes[-1] >= GROUPS_AT_ALL:
        note(
            _from_here_on(silhouettes >= GROUPS_FORMED * silhouettes[-1]), "groups form",
            lambda f: f"silhouette {silhouettes[f]:.2f} of the groups of the last frame, {silhouettes[-1]:.2f} there",
        )  # fmt: skip
    return [Event(frame, int(way.steps[frame]), name, why) for frame, name, why in sorted(named)]


def _first(reached: np.ndarray) -> int | None:
    return int(reached.argmax()) if reached.any() else None


def _from_here_on(reached: np.ndarray) -> int | None:
    """The first frame after the start from which on it stays reached; None where it is not so at the end, or always was."""
    fails = np.flatnonzero(~reached)
    return int(fails[-1]) + 1 if len(fails) and fails[-1] + 1 < len(reached) else None


def neighbour_history(way: Trajectory, asked: np.ndarray, k: int = NEAREST) -> np.ndarray:
    """(T, Q, k) int64: the ``k`` nearest of the materials ``asked`` (Q,) in every frame, nearest first, −1 beyond the last.

    Euclidean, in the original space, among the trained materials, never itself; equal distances stand in the
    order of the codes. Exact: squared distances are whole numbers here.
    """
    members = np.flatnonzero(way.trained)
    found = np.full((len(way), len(asked), k), -1, np.int64)
    width = min(k, len(members))
    for frame in range(len(way) if width else 0):
        points = way.codes[frame][members].astype(np.float64)
        own = way.codes[frame][asked].astype(np.float64)
        squares = np.einsum("ij,ij->i", points, points) + np.einsum("ij,ij->i", own, own)[:, None] - 2 * own @ points.T
        order = squares.astype(np.int64) * len(members) + np.arange(len(members))  # distance first, then the index
        order[asked[:, None] == members] = np.iinfo(np.int64).max
        nearest = np.argpartition(order, width - 1, axis=1)[:, :width]
        ranked = np.take_along_axis(nearest, np.take_along_axis(order, nearest, 1).argsort(axis=1), 1)
        found[frame, :, :width] = np.where(np.take_along_axis(order, ranked, 1) == np.iinfo(np.int64).max, -1, members[ranked])
    return found


def held_since(history: np.ndarray) -> np.ndarray:
    """(T, Q, k) int64: the frame since which each neighbour of ``history`` (T, Q, k) has been one without a break."""
    since = np.zeros_like(history)
    for frame in range(1, len(history)):
        same = history[frame][:, :, None] == history[frame - 1][:, None, :]  # (Q, now, before)
        place = same.argmax(axis=2)
        since[frame] = np.where(same.any(axis=2), np.take_along_axis(since[frame - 1], place, axis=1), frame)
    return since
