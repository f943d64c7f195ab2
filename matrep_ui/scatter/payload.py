"""What the viewer shows, as values. ``packing`` makes the bytes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from matrep_ui.scatter.packing import NO_CODE, bytes_of, frames_part, neighbours_part, pack, part_id, texts_of

FRAMES_A_PART = 32
MOST_CATEGORIES = 250  # a colour code is one byte
MOST_MIXED = 16  # coordinates that the browser's graphics card mixes to a picture: turns and the grand tour
SMALL = 2_000_000  # bytes of positions and neighbours together, up to which all neighbours travel


@dataclass(frozen=True, eq=False)
class Categories:
    """A colour by group. ``codes`` is (N,) or, where groups change with the frame, (T, N); -1 is no group."""

    name: str
    labels: Sequence[str]
    codes: np.ndarray
    none_label: str = "none"


@dataclass(frozen=True, eq=False)
class Scale:
    """A colour by a number. ``values`` is (N,) or (T, N) float; NaN is shown grey as ``none_label``.

    ``bounds`` are the ends of the scale, by default the smallest and largest value; give them where frames are
    still to come, so that these change no colour that was sent.
    """

    name: str
    values: np.ndarray
    unit: str = ""
    log: bool = False
    none_label: str = "no value"
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Curve:
    """Errors over the steps, drawn on the scrubber. NaN where a step was not evaluated."""

    steps: np.ndarray
    train: np.ndarray
    eval: np.ndarray
    label: str  # what the error is, such as "mean absolute error"
    unit: str
    best_step: int | None = None


@dataclass(frozen=True, eq=False)
class Share:
    """A share from 0 to 1 over the steps, drawn above the curve and read out beside the step. NaN where unknown."""

    name: str
    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Mark:
    """An event on the scrubber: a step and a few words."""

    step: int
    label: str


@dataclass(frozen=True, eq=False)
class Projection:
    """One more way to look at the N points of a payload over its T frames: with ``frames`` or with ``turn``.

    name:    what the reader chooses it by
    axes:    names of the A coordinates that can be chosen
    frames:  (T, N, D) int16; a position is origin[axis] + scale * frames[t, n, axis]
    scale:   one number, or (T,), one a frame: then frames that come later change none that were sent
    carried: which D of the A coordinates ``frames`` holds, rising; None is all of them
    turn:    (D0, A), at most 16 rows: the browser works the positions out from the payload's own D0 coordinates,
             as (position - centre) @ turn, and nothing travels; ``centre`` is (D0,), by default zeros
    linear:  a linear image of the vectors with at most 16 coordinates: the grand tour can turn through it
    note:    how the picture was made, in a sentence below it
    space:   names the coordinate system, by default the name; the camera is kept while it stays the same
    """

    name: str
    axes: Sequence[str]
    frames: np.ndarray | None = None
    scale: float | np.ndarray = 1.0
    origin: Sequence[float] | None = None
    carried: Sequence[int] | None = None
    turn: np.ndarray | None = None
    centre: np.ndarray | None = None
    linear: bool = False
    note: str = ""
    space: str = ""

    @classmethod
    def from_coordinates(cls, name: str, coordinates: np.ndarray, **fields: Any) -> Projection:
        """Quantise (T, N, D) floats to int16, each frame with a scale of its own around zero."""
        frames, scale = quantised(coordinates)
        return cls(name, frames=frames, scale=scale, **fields)


def quantised(coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, N, D) floats as int16 and (T,) scales; raises ValueError where one is not finite."""
    at = np.asarray(coordinates, np.float64)
    if at.ndim != 3 or not np.isfinite(at).all():
        raise ValueError("coordinates must be finite numbers, (T, N, D)")
    largest = np.abs(at).max((1, 2), initial=0)
    scale = np.where(largest > 0, largest, 1.0).astype(np.float32) / np.float32(32_700)
    return np.rint(at / scale[:, None, None]).astype(np.int16), scale


def neighbours_fit(frames: int, points: int, axes: int, k: int = 10) -> bool:
    """Whether all neighbours may travel beside the positions; else ``scatter(near=...)`` brings the asked ones."""
    return 2 * frames * points * (axes + k) <= SMALL


@dataclass(frozen=True, eq=False)
class ScatterPayload:
    """N points over T frames. Build it once (cache it) and hand the same one to the viewer.

    frames:  (T, N, D) int16; a position is origin[axis] + scale * frames[t, n, axis]
    steps:   (T,) training step of each frame, rising
    ids:     N different texts; what the viewer reports as selected
    axes:    names, with the unit or the explained variance where there is one: D, or more with ``carried``
    scale, origin, carried, linear, note: as in Projection
    projection: the name of this first way to look; projections: further ones
    original: the D coordinates are all of the material vectors, so the browser finds neighbours itself
    offered: names of projections that can be asked for (see ScatterEvents.wanted)
    texts:   columns of N texts for the card and the search; the first is the name beside the id
    numbers: columns of N numbers for the card
    hollow:  (N,) bool, drawn as rings: materials that no training formula contains; never a neighbour
    colours: what the points can be coloured by; the first is shown first; scales are read out on the detail card
    neighbours: (T, N, k) indices, nearest first, in the original space; -1 is none
    space:   names the coordinate system; the camera is kept while it stays the same
    """

    frames: np.ndarray
    steps: np.ndarray
    ids: Sequence[str]
    axes: Sequence[str]
    scale: float | np.ndarray = 1.0
    origin: Sequence[float] | None = None
    carried: Sequence[int] | None = None
    linear: bool = False
    note: str = ""
    projection: str = ""
    projections: Sequence[Projection] = ()
    original: bool = False
    offered: Sequence[str] = ()
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    hollow: np.ndarray | None = None
    hollow_label: str = "in no training formula"
    colours: Sequence[Categories | Scale] = ()
    neighbours: np.ndarray | None = None
    curve: Curve | None = None
    marks: Sequence[Mark] = ()
    shares: Sequence[Share] = ()
    space: str = ""
    id_label: str = "material"
    noun: str = "materials"

    def __post_init__(self) -> None:
        frames = self.frames
        if frames.dtype != np.int16 or frames.ndim != 3:
            raise ValueError(f"frames must be int16 (T, N, D), not {frames.dtype} {frames.shape}")
        t, n, d = frames.shape
        if not t or not d:
            raise ValueError("frames needs at least one frame and one axis")
        lengths = {
            "steps": (len(self.steps), t), "ids": (len(self.ids), n),
            "hollow": (n if self.hollow is None else len(self.hollow), n),
            **{f"texts[{k!r}]": (len(v), n) for k, v in self.texts.items()},
            **{f"numbers[{k!r}]": (len(v), n) for k, v in self.numbers.items()},
            **{f"colour {c.name!r}": (_column(c).shape[-1], n) for c in self.colours},
        }  # fmt: skip
        for name, (found, wanted) in lengths.items():
            if found != wanted:
                raise ValueError(f"{name} has {found} entries, not {wanted}")
        if len(set(self.ids)) < n:
            raise ValueError("ids must differ from one another")
        for colour in self.colours:
            column = _column(colour)
            if column.ndim > 1 and column.shape[0] != t:
                raise ValueError(f"colour {colour.name!r} has {column.shape[0]} frames, not {t}")
        if self.neighbours is not None and self.neighbours.shape[:2] != (t, n):
            raise ValueError(f"neighbours must be (T, N, k), not {self.neighbours.shape}")
        names = [look.name for look in self._looks]
        if len({*names, *self.offered}) < len(names) + len(self.offered):
            raise ValueError("the names of projections must differ from one another")
        for look in self._looks:
            _check(look, t, n, d)

    @classmethod
    def from_coordinates(cls, coordinates: np.ndarray, **fields: Any) -> ScatterPayload:
        """Quantise (N, D) or (T, N, D) floats to int16 with one scale for all axes; other fields as in the class.

        ``steps`` may be left out where there is one frame. Raises ValueError where a coordinate is not finite.
        """
        at = np.asarray(coordinates, np.float64)
        at = at[None] if at.ndim == 2 else at
        if at.ndim != 3 or not np.isfinite(at).all():
            raise ValueError("coordinates must be finite numbers, (N, D) or (T, N, D)")
        flat = at.reshape(-1, at.shape[-1])
        low, high = (flat.min(0), flat.max(0)) if len(flat) else (np.zeros(at.shape[-1]), np.ones(at.shape[-1]))
        origin = (low + high) / 2
        scale = float((high - low).max() / 2 / 32_000) or 1.0
        fields.setdefault("steps", np.zeros(1, np.int64))
        return cls(np.rint((at - origin) / scale).astype(np.int16), scale=scale, origin=origin.tolist(), **fields)

    @cached_property
    def _looks(self) -> list[Projection]:
        own = Projection(
            self.projection, self.axes, self.frames, self.scale, self.origin, self.carried, linear=self.linear,
            note=self.note, space=self.space,
        )  # fmt: skip
        return [own, *self.projections]

    @property
    def carried_axes(self) -> dict[str, frozenset[int]]:
        """Of each projection that travels: the numbers of the axes that it can be drawn on."""
        return {
            look.name: frozenset(range(len(look.axes)) if look.carried is None else map(int, look.carried))
            for look in self._looks
        }

    @property
    def starts(self) -> tuple[int, ...]:
        """The first frame of each part, where all frames are there at once."""
        return tuple(range(0, len(self.steps), FRAMES_A_PART))

    @property
    def parts(self) -> dict[str, bytes]:
        """The blocks of bytes by name, 32 frames a part."""
        return self.parts_from(self.starts)

    @property
    def part_ids(self) -> dict[str, str]:
        """What names each part by its content."""
        return {name: part_id(block) for name, block in self.parts.items()}

    def parts_from(self, starts: tuple[int, ...]) -> dict[str, bytes]:
        """The blocks of bytes by name, with a part of frames from each of ``starts``, the first of which is 0."""
        made: dict[str, bytes] = {}
        for name, make in [
            ("points", self._points), ("projections", self._projections), ("colours", self._colours),
            ("curve", self._curve),
        ]:  # fmt: skip
            made[name] = self._once(name, make)
        for block, (first, last) in enumerate(zip(starts, [*starts[1:], len(self.steps)])):
            span = slice(first, last)
            for number, look in enumerate(self._looks):
                if look.frames is not None:
                    name = f"frames{block}-{number}" if number else f"frames{block}"
                    made[name] = self._once((number, first, last), lambda: self._frames(look, span))
            if any(_column(colour).ndim > 1 for colour in self.colours):
                made[f"moving{block}"] = self._once(("moving", first, last), lambda: self._moving(span))
            if self.neighbours is not None:
                near = self.neighbours
                made[f"near{block}"] = self._once(("near", first, last), lambda: neighbours_part(near[span]))
        return made

    @cached_property
    def _made(self) -> dict[Any, bytes]:
        return {}

    def _once(self, name: Any, make: Callable[[], bytes]) -> bytes:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _frames(self, look: Projection, span: slice) -> bytes:
        assert look.frames is not None
        scales = np.broadcast_to(np.asarray(look.scale, np.float64), len(self.steps))[span]
        origin = np.zeros(look.frames.shape[2]) if look.origin is None else np.asarray(look.origin, np.float64)
        return frames_part(look.frames[span], scales, origin, np.asarray(self.steps)[span])

    def _points(self) -> bytes:
        arrays = {f"number{i}": np.asarray(v, np.float32) for i, v in enumerate(self.numbers.values())}
        texts, places = texts_of(self.texts)
        arrays |= places
        if self.hollow is not None:
            arrays["hollow"] = np.asarray(self.hollow, np.uint8)
        header = {
            "ids": [str(i) for i in self.ids], "id_label": self.id_label, "noun": self.noun, "texts": texts,
            "numbers": list(self.numbers), "hollow_label": self.hollow_label,
        }  # fmt: skip
        return pack("points", header, arrays)

    def _projections(self) -> bytes:
        looks: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for number, look in enumerate(self._looks):
            looks.append({
                "name": look.name, "axes": [str(a) for a in look.axes], "linear": look.linear, "note": look.note,
                "carried": None if look.carried is None else [int(a) for a in look.carried],
                "space": look.space or look.name, "original": self.original and number == 0,
                "turned": look.turn is not None,
            })  # fmt: skip
            if look.turn is not None:
                arrays[f"turn{number}"] = np.asarray(look.turn, np.float32)
                centre = np.zeros(len(look.turn)) if look.centre is None else look.centre
                arrays[f"centre{number}"] = np.asarray(centre, np.float32)
        return pack("projections", {"looks": looks, "offered": list(self.offered)}, arrays)

    def _curve(self) -> bytes:
        header: dict[str, Any] = {"marks": [{"step": int(m.step), "label": m.label} for m in self.marks], "curve": None}
        arrays: dict[str, np.ndarray] = {}
        if self.curve is not None:
            best = self.curve.best_step
            header["curve"] = {
                "label": self.curve.label, "unit": self.curve.unit, "best": None if best is None else int(best),
            }  # fmt: skip
            arrays = {
                "steps": np.asarray(self.curve.steps, np.int32),
                "train": np.asarray(self.curve.train, np.float32),
                "eval": np.asarray(self.curve.eval, np.float32),
            }
        header["shares"] = [share.name for share in self.shares]
        for index, share in enumerate(self.shares):
            arrays[f"share_steps{index}"] = np.asarray(share.steps, np.int32)
            arrays[f"share{index}"] = np.asarray(share.values, np.float32)
        return pack("curve", header, arrays)

    @cached_property
    def _coded(self) -> list[tuple[dict[str, Any], np.ndarray]]:
        return [_coded(colour) for colour in self.colours]

    def _colours(self) -> bytes:
        columns = [head | {"moving": codes.ndim > 1} for head, codes in self._coded]
        still = {f"colour{i}": codes for i, (_, codes) in enumerate(self._coded) if codes.ndim == 1}
        return pack("colours", {"columns": columns}, still)

    def _moving(self, span: slice) -> bytes:
        arrays = {f"colour{i}": codes[span] for i, (_, codes) in enumerate(self._coded) if codes.ndim > 1}
        return pack("moving", {}, arrays)


def _check(look: Projection, t: int, n: int, d: int) -> None:
    """Raise ValueError where a projection does not fit T frames, N points and the D coordinates of the first."""
    if (look.frames is None) == (look.turn is None):
        raise ValueError(f"projection {look.name!r} needs either frames or a turn")
    if look.turn is not None:
        rows, axes = look.turn.shape
        if rows != d or rows > MOST_MIXED:
            raise ValueError(f"projection {look.name!r} turns {rows} coordinates; they must be {d}, at most {MOST_MIXED}")
    else:
        assert look.frames is not None
        if look.frames.dtype != np.int16 or look.frames.shape[:2] != (t, n):
            raise ValueError(f"projection {look.name!r} must be int16 ({t}, {n}, D), not {look.frames.shape}")
        axes = look.frames.shape[2]
        if np.shape(look.scale) not in ((), (t,)):
            raise ValueError(f"projection {look.name!r} has {np.shape(look.scale)} scales, not 1 or {t}")
        if look.origin is not None and len(look.origin) != axes:
            raise ValueError(f"origin has {len(look.origin)} entries, not {axes}")
    if look.linear and axes > MOST_MIXED:
        raise ValueError(f"projection {look.name!r}: the tour turns through at most {MOST_MIXED} coordinates, not {axes}")
    named = len(look.axes) if look.carried is None else len(look.carried)
    if named != axes or (look.carried is not None and not all(0 <= a < len(look.axes) for a in look.carried)):
        raise ValueError(f"axes has {named} entries, not {axes}")


def _column(colour: Categories | Scale) -> np.ndarray:
    return np.asarray(colour.codes if isinstance(colour, Categories) else colour.values)


def _coded(colour: Categories | Scale) -> tuple[dict[str, Any], np.ndarray]:
    """A colour column as what the header says of it, and its codes: one byte a point, or a point and frame."""
    head: dict[str, Any] = {"name": colour.name, "none_label": colour.none_label}
    if isinstance(colour, Categories):
        codes = np.asarray(colour.codes)
        if len(colour.labels) > MOST_CATEGORIES or codes.max(initial=-1) >= len(colour.labels):
            raise ValueError(f"colour {colour.name!r}: {len(colour.labels)} labels cannot hold its codes")
        head |= {"kind": "categories", "labels": [str(x) for x in colour.labels]}
        return head, np.where(codes < 0, NO_CODE, codes).astype(np.uint8)
    values = np.asarray(colour.values, np.float64)
    usable = np.isfinite(values) & (values > 0) if colour.log else np.isfinite(values)
    known = values[usable]
    low, high = colour.bounds or ((float(known.min()), float(known.max())) if known.size else (0.0, 1.0))
    head |= {"kind": "scale", "low": low, "high": high, "unit": colour.unit, "log": colour.log}
    return head, bytes_of(values, usable, low, high, colour.log)
