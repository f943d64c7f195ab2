"""What the viewer shows, as values; and the bytes in which it travels to the browser.

A payload travels in parts, so that a change of one part sends only that part:

    frames   positions of all points, 32 frames a part; a new frame during training resends only the last part
    points   ids, texts and numbers of the points, which of them are hollow, names of the axes
    colours  the columns that points can be coloured by
    curve    errors over the steps, marks on the scrubber

Each part is one block of bytes, little-endian:

    0   4 bytes   b"MRS1", or b"MRZ1" where everything from byte 24 on is deflated (zlib): texts and colours
    4   4 bytes   length H of the header, unsigned
    8   16 bytes  blake2b digest of what follows, before deflating; the part's id is its hex text
    24  H bytes   header, UTF-8 JSON; "kind" is one of the four names above,
                  "arrays" maps a name to [type, shape, offset]; type is i1, u1, i2, u2, i4 or f4
    then zeros up to a multiple of 8, then the arrays, row-major, each at its offset from there (a multiple of 8)

A position is ``origin[axis] + scale * whole number``; the scale is the same for all axes and all frames of a
run, so that distances on the screen compare across frames.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

FRAMES_A_PART = 32
MOST_CATEGORIES = 250  # a colour code is one byte; 255 means none


@dataclass(frozen=True, eq=False)
class Categories:
    """A colour by group. ``codes`` is (N,) or, where groups change with the frame, (T, N); -1 is no group."""

    name: str
    labels: Sequence[str]
    codes: np.ndarray
    none_label: str = "none"


@dataclass(frozen=True, eq=False)
class Scale:
    """A colour by a number. ``values`` is (N,) or (T, N) float; NaN is shown grey as ``none_label``."""

    name: str
    values: np.ndarray
    unit: str = ""
    log: bool = False
    none_label: str = "no value"


@dataclass(frozen=True, eq=False)
class Curve:
    """Errors over the steps, drawn on the scrubber. NaN where a step was not evaluated."""

    steps: np.ndarray
    train: np.ndarray
    eval: np.ndarray
    label: str  # what the error is, such as "mean absolute error"
    unit: str
    best_step: int | None = None


@dataclass(frozen=True)
class Mark:
    """An event on the scrubber: a step and a few words."""

    step: int
    label: str


@dataclass(frozen=True, eq=False)
class ScatterPayload:
    """N points over T frames in D axes. Build it once (cache it) and hand the same one to the viewer.

    frames:  (T, N, D) int16; a position is origin[axis] + scale * frames[t, n, axis]
    steps:   (T,) training step of each frame, rising
    ids:     N different texts; what the viewer reports as selected
    axes:    D names, with the unit or the explained variance where there is one
    texts:   columns of N texts for the card and the search; the first is the name beside the id
    numbers: columns of N numbers for the card
    hollow:  (N,) bool, drawn as rings: materials that no training formula contains
    colours: what the points can be coloured by; the first is shown first
    space:   names the coordinate system; the camera is kept while it stays the same
    """

    frames: np.ndarray
    steps: np.ndarray
    ids: Sequence[str]
    axes: Sequence[str]
    scale: float = 1.0
    origin: Sequence[float] | None = None
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    hollow: np.ndarray | None = None
    hollow_label: str = "in no training formula"
    colours: Sequence[Categories | Scale] = ()
    curve: Curve | None = None
    marks: Sequence[Mark] = ()
    space: str = ""
    id_label: str = "material"
    noun: str = "materials"

    def __post_init__(self) -> None:
        frames = self.frames
        if frames.dtype != np.int16 or frames.ndim != 3:
            raise ValueError(f"frames must be int16 (T, N, D), not {frames.dtype} {frames.shape}")
        t, n, d = frames.shape
        lengths = {
            "steps": (len(self.steps), t), "ids": (len(self.ids), n), "axes": (len(self.axes), d),
            "origin": (d if self.origin is None else len(self.origin), d),
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
        if not t or not d:
            raise ValueError("frames needs at least one frame and one axis")

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
    def parts(self) -> dict[str, bytes]:
        """The blocks of bytes by name: points, colours, curve, frames0, frames1, …"""
        t = self.frames.shape[0]
        packed = {
            "points": self._points(),
            "colours": _pack("colours", *_colours(self.colours)),
            "curve": self._curve(),
        }
        for index, first in enumerate(range(0, t, FRAMES_A_PART)):
            packed[f"frames{index}"] = self._frames(slice(first, first + FRAMES_A_PART))
        return packed

    @cached_property
    def part_ids(self) -> dict[str, str]:
        return {name: block[8:24].hex() for name, block in self.parts.items()}

    def _frames(self, which: slice) -> bytes:
        frames = np.ascontiguousarray(self.frames[which])
        flat = frames.reshape(-1, frames.shape[-1])
        origin = [0.0] * frames.shape[-1] if self.origin is None else [float(x) for x in self.origin]
        header = {
            "scale": float(self.scale), "origin": origin,
            "low": flat.min(0).tolist() if len(flat) else [0] * len(origin),
            "high": flat.max(0).tolist() if len(flat) else [0] * len(origin),
        }  # fmt: skip
        return _pack("frames", header, {"frames": frames, "steps": np.asarray(self.steps[which], np.int32)})

    def _points(self) -> bytes:
        arrays: dict[str, np.ndarray] = {
            f"number{i}": np.asarray(v, np.float32) for i, v in enumerate(self.numbers.values())
        }
        texts = []
        for index, (name, values) in enumerate(self.texts.items()):
            values = [str(v) for v in values]
            distinct = list(dict.fromkeys(values))
            if len(distinct) * 4 > len(values):
                texts.append({"name": name, "values": values})
                continue
            position = {value: i for i, value in enumerate(distinct)}
            arrays[f"text{index}"] = np.fromiter((position[v] for v in values), np.int32, len(values))
            texts.append({"name": name, "values": distinct, "codes": f"text{index}"})
        if self.hollow is not None:
            arrays["hollow"] = np.asarray(self.hollow, np.uint8)
        header = {
            "ids": [str(i) for i in self.ids], "id_label": self.id_label, "noun": self.noun, "space": self.space,
            "axes": [str(a) for a in self.axes], "texts": texts, "numbers": list(self.numbers),
            "hollow_label": self.hollow_label,
        }  # fmt: skip
        return _pack("points", header, arrays)

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
        return _pack("curve", header, arrays)


def _column(colour: Categories | Scale) -> np.ndarray:
    return np.asarray(colour.codes if isinstance(colour, Categories) else colour.values)


def _colours(colours: Sequence[Categories | Scale]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    columns: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for index, colour in enumerate(colours):
        name = f"colour{index}"
        if isinstance(colour, Categories):
            codes = np.asarray(colour.codes)
            if len(colour.labels) > MOST_CATEGORIES or codes.max(initial=-1) >= len(colour.labels):
                raise ValueError(f"colour {colour.name!r}: {len(colour.labels)} labels cannot hold its codes")
            arrays[name] = np.where(codes < 0, 255, codes).astype(np.uint8)
            columns.append({"kind": "categories", "labels": [str(x) for x in colour.labels]})
        else:
            values = np.asarray(colour.values, np.float64)
            usable = np.isfinite(values) & (values > 0) if colour.log else np.isfinite(values)
            known = values[usable]
            low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
            arrays[name] = _bytes_of(values, usable, low, high, colour.log)
            columns.append({"kind": "scale", "low": low, "high": high, "unit": colour.unit, "log": colour.log})
        columns[-1] |= {
            "name": colour.name, "codes": name, "moving": arrays[name].ndim > 1, "none_label": colour.none_label,
        }  # fmt: skip
    return {"columns": columns}, arrays


def _bytes_of(values: np.ndarray, usable: np.ndarray, low: float, high: float, log: bool) -> np.ndarray:
    """Numbers as bytes 0 to 250 between ``low`` and ``high``; 255 where not usable."""
    place = np.log if log else np.asarray
    with np.errstate(divide="ignore", invalid="ignore"):
        width = float(place(high) - place(low)) or 1.0
        share = (place(np.where(usable, values, low)) - place(low)) / width
    return np.where(usable, np.rint(share * 250), 255).astype(np.uint8)


_TYPES = {"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "float32": "f4"}


def _pack(kind: str, header: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """One part in the layout that this module's docstring gives."""
    table: dict[str, Any] = {}
    blocks: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        block = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        table[name] = [_TYPES[array.dtype.name], list(array.shape), offset]
        block += b"\0" * (-len(block) % 8)
        blocks.append(block)
        offset += len(block)
    text = json.dumps({"kind": kind, **header, "arrays": table}, ensure_ascii=False, allow_nan=False)
    head = text.encode("utf-8", "replace")
    body = head + b"\0" * (-(24 + len(head)) % 8) + b"".join(blocks)
    digest = hashlib.blake2b(body, digest_size=16).digest()
    length = len(head).to_bytes(4, "little")
    if kind == "frames":  # positions hardly shrink, and would wait for it
        return b"MRS1" + length + digest + body
    return b"MRZ1" + length + digest + zlib.compress(body, 1)
