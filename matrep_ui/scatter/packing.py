"""The bytes in which a payload travels to the browser.

It travels in parts, so that a change of one part sends only that part:

    points       ids, texts and numbers of the points, which of them are hollow
    projections  names, axes and turns of the ways to look
    colours      the columns that points can be coloured by
    curve        errors and shares over the steps, marks on the scrubber
    frames0      positions of all points in the first block of frames, of the first projection; frames1, …
    frames0-1    the same of the second projection; …
    moving0      colours that change with the frame, in the first block of frames; …
    near0        neighbours in the original space, in the first block of frames; …

Each part is one block of bytes, little-endian:

    0   4 bytes   b"MRZ1": everything from byte 24 on is deflated (zlib)
    4   4 bytes   length H of the header, unsigned
    8   16 bytes  blake2b digest of what follows, before deflating; the part's id is its hex text
    24  H bytes   header, UTF-8 JSON; "kind" is the part's name without its numbers,
                  "arrays" maps a name to [type, shape, offset]; type is i1, u1, i2, u2, i4 or f4
    then zeros up to a multiple of 8, then the arrays, row-major, each at its offset from there (a multiple of 8)

A position is ``origin[axis] + scales[frame] * whole number``; the scale of a frame is the same for all its axes,
so that distances on the screen compare. The whole numbers travel as what each frame adds to the one before it in
its part (the first as it is, modulo 2^16), small ones of either sign first (0, -1, 1, -2, …), all low bytes before
all high bytes: so deflating halves them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

_TYPES = {"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "float32": "f4"}
NO_CODE = 255  # of a point without a group or a value
STEPS_OF_A_SCALE = 250  # a number becomes a byte from 0 to this


def pack(kind: str, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
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
    return b"MRZ1" + length + digest + zlib.compress(body, 1)


def part_id(block: bytes) -> str:
    """What names a part by its content."""
    return block[8:24].hex()


def frames_part(frames: np.ndarray, scales: np.ndarray, origin: np.ndarray, steps: np.ndarray) -> bytes:
    """Positions of a block of frames: (B, N, D) int16, (B,) scales, (D,) origin, (B,) steps."""
    lowest = frames.min(1, initial=32_767) if frames.shape[1] else np.zeros((len(frames), frames.shape[2]))
    highest = frames.max(1, initial=-32_768) if frames.shape[1] else np.zeros((len(frames), frames.shape[2]))
    header = {
        "origin": [float(x) for x in origin],
        "low": (origin + (scales[:, None] * lowest).min(0)).tolist(),
        "high": (origin + (scales[:, None] * highest).max(0)).tolist(),
        "shape": list(frames.shape),
    }
    return pack("frames", header, {
        "split": _split(frames), "scales": scales.astype(np.float32), "steps": np.asarray(steps, np.int32),
    })  # fmt: skip


def _split(frames: np.ndarray) -> np.ndarray:
    """(2, B·N·D) low and high bytes of what each of B frames adds to the one before it."""
    added = np.diff(frames, axis=0, prepend=np.zeros_like(frames[:1]))  # int16: what overflows comes back when added
    signless = ((added << 1) ^ (added >> 15)).astype("<u2")
    return np.ascontiguousarray(signless.reshape(-1, 1).view(np.uint8).T)


def neighbours_part(indices: np.ndarray) -> bytes:
    """(B, N, k) indices of neighbours; -1 is none."""
    return pack("near", {"k": indices.shape[2]}, {"near": narrow(indices)})


def narrow(indices: np.ndarray) -> np.ndarray:
    """Indices in 2 bytes where they fit, in which 65,535 is none; else in 4, in which -1 is none."""
    indices = np.asarray(indices)
    if indices.max(initial=0) < 65_535:
        return np.where(indices < 0, 65_535, indices).astype(np.uint16)
    return indices.astype(np.int32)


def bytes_of(values: np.ndarray, usable: np.ndarray, low: float, high: float, log: bool) -> np.ndarray:
    """Numbers as bytes 0 to 250 between ``low`` and ``high``; 255 where not usable."""
    place = np.log if log else np.asarray
    with np.errstate(divide="ignore", invalid="ignore"):
        width = float(place(high) - place(low)) or 1.0
        share = (place(np.where(usable, values, low)) - place(low)) / width
    return np.where(usable, np.rint(np.clip(share, 0, 1) * STEPS_OF_A_SCALE), NO_CODE).astype(np.uint8)


def texts_of(texts: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Columns of texts for the header; one that repeats itself as its distinct texts and an array of their places."""
    columns: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for index, (name, values) in enumerate(texts.items()):
        values = [str(v) for v in values]
        distinct = list(dict.fromkeys(values))
        if len(distinct) * 4 > len(values):
            columns.append({"name": name, "values": values})
            continue
        position = {value: i for i, value in enumerate(distinct)}
        arrays[f"text{index}"] = np.fromiter((position[v] for v in values), np.int32, len(values))
        columns.append({"name": name, "values": distinct, "codes": f"text{index}"})
    return columns, arrays
