"""The bytes that the viewer is sent, the script it is, and its colours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zlib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from matrep_ui.scatter import Categories, Curve, Mark, Scale, ScatterPayload
from matrep_ui.scatter.bundle import FOLDER, mounts, viewer_script

POINTS, FRAMES = 7, 70
TYPES = {"i1": np.int8, "u1": np.uint8, "i2": "<i2", "u2": "<u2", "i4": "<i4", "f4": "<f4"}


def payload(**changes: object) -> ScatterPayload:
    rng = np.random.default_rng(0)
    fields: dict[str, object] = {
        "frames": rng.integers(-32_000, 32_000, (FRAMES, POINTS, 2)).astype(np.int16), "steps": np.arange(FRAMES) * 10,
        "ids": [f"00{i}" for i in range(POINTS)], "axes": ("h1", "h2"), "scale": 0.001,
        "texts": {"INCI name": ["글리세린", "<b>", "", "a", "b", "c", "d"], "Function": ["oil"] * POINTS},
        "numbers": {"Support": np.arange(POINTS)}, "hollow": np.arange(POINTS) == 0,
        "colours": [
            Categories("Cluster", ["one", "two"], np.tile([0, 1, -1, 0, 1, 0, 0], (FRAMES, 1))),
            Scale("Support", np.array([np.nan, 1, 2, 4, 8, 16, 0]), "formulas", log=True),
        ],
        "curve": Curve(np.arange(5), np.ones(5), np.full(5, np.nan), "error", "mPa·s", 3),
        "marks": [Mark(10, "groups form")],
    }  # fmt: skip
    return ScatterPayload(**{**fields, **changes})  # type: ignore[arg-type]


def unpack(block: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Read a part by the layout that the module's docstring gives, independently of the code that wrote it."""
    assert block[:4] == b"MRZ1"
    length = int.from_bytes(block[4:8], "little")
    body = zlib.decompress(block[24:])
    header = json.loads(body[:length])
    start = -(-(24 + length) // 8) * 8 - 24
    arrays = {}
    for name, (kind, shape, offset) in header["arrays"].items():
        assert offset % 8 == 0
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(body, TYPES[kind], count, start + offset).reshape(shape)
    if header["kind"] == "frames":
        low, high = arrays["split"].astype(int)
        coded = low + 256 * high
        added = np.where(coded % 2, -(coded + 1) // 2, coded // 2).reshape(header["shape"])
        arrays["frames"] = np.cumsum(added, 0).astype(np.int16)
    return header, arrays


def test_the_parts_hold_what_was_given() -> None:
    made = payload()
    parts = {name: unpack(block) for name, block in made.parts.items()}
    blocks = [f"{kind}{k}" for k in range(3) for kind in ("frames", "moving")]
    assert list(parts) == ["points", "projections", "colours", "curve", *blocks]
    frames = np.concatenate([parts[f"frames{k}"][1]["frames"] for k in range(3)])
    assert np.array_equal(frames, made.frames)
    assert np.array_equal(np.concatenate([parts[f"frames{k}"][1]["steps"] for k in range(3)]), made.steps)
    header, arrays = parts["points"]
    assert header["ids"] == [f"00{i}" for i in range(POINTS)]
    assert header["texts"][0] == {"name": "INCI name", "values": ["글리세린", "<b>", "", "a", "b", "c", "d"]}
    assert [header["texts"][1]["values"][k] for k in arrays["text1"]] == ["oil"] * POINTS
    moving = np.concatenate([parts[f"moving{k}"][1]["colour0"] for k in range(3)])
    assert moving.shape == (FRAMES, POINTS) and moving[3].tolist() == [0, 1, 255, 0, 1, 0, 0]
    header, arrays = parts["colours"]
    assert arrays["colour1"].tolist() == [255, 0, 62, 125, 188, 250, 255]  # log scale; no value, and zero has no log
    assert (header["columns"][1]["low"], header["columns"][1]["high"]) == (1.0, 16.0)


def test_a_change_changes_only_its_own_part() -> None:
    before = payload().part_ids
    assert payload().part_ids == before
    other = payload(colours=[Scale("Support", np.ones(POINTS))]).part_ids
    assert {name for name in before if before[name] != other.get(name)} == {"colours", "moving0", "moving1", "moving2"}
    rng = np.random.default_rng(0)
    longer = np.concatenate([rng.integers(-32_000, 32_000, (FRAMES, POINTS, 2)), np.ones((1, POINTS, 2))]).astype(
        np.int16
    )
    grown = payload(frames=longer, steps=np.arange(FRAMES + 1) * 10, colours=()).part_ids
    assert {name for name in before if before[name] != grown.get(name)} == {
        "colours", "frames2", "moving0", "moving1", "moving2",
    }  # fmt: skip


def test_coordinates_are_kept_to_a_small_fraction_of_the_whole_range() -> None:
    rng = np.random.default_rng(1)
    at = rng.normal(5, [3, 0.01], (4, 50, 2))
    made = ScatterPayload.from_coordinates(at, steps=np.arange(4), ids=[str(i) for i in range(50)], axes=("a", "b"))
    back = np.asarray(made.origin) + made.scale * made.frames
    assert np.abs(back - at).max() <= np.ptp(at[..., 0]) / 60_000
    one_place = ScatterPayload.from_coordinates(np.full((3, 2), 7.5), ids=list("abc"), axes=("a", "b"))
    assert np.array_equal(np.asarray(one_place.origin) + one_place.scale * one_place.frames, np.full((1, 3, 2), 7.5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.zeros((2, 3), np.int16)}, "frames must be int16"),
        ({"frames": np.zeros((FRAMES, POINTS, 2))}, "frames must be int16"),
        ({"ids": ["one"]}, "ids has 1 entries, not 7"),
        ({"steps": np.arange(3)}, "steps has 3 entries, not 70"),
        ({"texts": {"INCI name": ["a"]}}, "INCI name"),
        ({"colours": [Scale("Norm", np.ones((3, POINTS)))]}, "has 3 frames, not 70"),
        ({"ids": ["same"] * POINTS}, "ids must differ"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        payload(**changes)


def test_coordinates_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        ScatterPayload.from_coordinates(np.array([[0.0, np.nan]]), ids=["a"], axes=("x", "y"))


def test_every_module_is_part_of_the_script() -> None:
    script = viewer_script()
    for path in FOLDER.glob("*.js"):
        if path.stem != "hub" and not path.stem.startswith("mount_"):
            assert f"const ${path.stem} = " in script, f"{path.name} is not reached from viewer.js"
    assert "innerHTML" not in script and "insertAdjacentHTML" not in script


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
@pytest.mark.parametrize("mount", ["code", "carrier", "view"])
def test_the_joined_scripts_are_valid_modules(mount: str, tmp_path: Path) -> None:
    path = tmp_path / "script.mjs"
    path.write_text(mounts()[mount])
    subprocess.run(["node", "--check", str(path)], check=True, capture_output=True)


# ---- colours: matrices of Machado, Oliveira and Fernandes (2009), full strength; distances in OKLab (Ottosson 2020)

SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def oklab(linear: np.ndarray) -> np.ndarray:
    to_cones = [
        [0.41222147, 0.53633254, 0.05144599],
        [0.21190350, 0.68069955, 0.10739696],
        [0.08830246, 0.28171884, 0.62997870],
    ]
    to_lab = [
        [0.21045426, 0.79361779, -0.00407205],
        [1.97799850, -2.42859221, 0.45059371],
        [0.02590404, 0.78277177, -0.80867577],
    ]
    return np.cbrt(np.clip(linear, 0, 1) @ np.transpose(to_cones)) @ np.transpose(to_lab)


@pytest.mark.parametrize(("name", "background"), [("LIGHT", "fdfdfc"), ("DARK", "11191d")])
def test_group_colours_are_told_apart_by_every_eye(name: str, background: str) -> None:
    source = (FOLDER / "colour.js").read_text()
    listed = re.search(rf"const {name} = \[(.*?)\]", source, re.DOTALL)
    assert listed
    colours = [*re.findall("#([0-9a-f]{6})", listed[1]), background]
    assert len(colours) == 13
    share = np.array([[int(colour[k : k + 2], 16) / 255 for k in (0, 2, 4)] for colour in colours])
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    for sight, matrix in SIGHT.items():
        seen = oklab(linear @ np.transpose(matrix))
        closest = min(
            (float(np.linalg.norm(seen[a] - seen[b])), colours[a], colours[b]) for a, b in combinations(range(13), 2)
        )
        assert closest[0] > 0.07, (sight, closest)
