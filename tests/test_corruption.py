"""Checkpoints and frames with one bit changed, or cut at any length: noticed, or read exactly as they were written."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from matrep_core.errors import RunBroken
from matrep_core.runs.archive import import_run
from matrep_core.runs.checkpoint import latest_checkpoint, read_sealed, write_sealed
from matrep_core.runs.frames import FrameReader, FrameWriter
from tests.attacks.kit import SAMPLE

FLIPS = 5_000  # a file, of four
SHAPE = (24, 3)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    tensors = {"vectors": random.normal(size=SHAPE).astype(np.float32), "moments": random.normal(size=64), "cursor": np.arange(5)}
    facts = {"step": 120, "engine": "fast", "cursor": 7, "loss_sum": 1.25, "order_state": {"state": {"state": 2**90, "inc": 3}}}
    write_sealed(tmp_path / "step-000000120", tensors, facts)
    return tmp_path / "step-000000120"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    writer = FrameWriter(tmp_path, *SHAPE, 0)
    for step in (0, 1, 5, 30, 200):
        writer.append(step, random.normal(size=SHAPE).astype(np.float32))
    writer.close()
    return tmp_path / "frames"


def sealed_content(folder: Path) -> tuple:
    tensors, facts = read_sealed(folder)
    return {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in tensors.items()}, facts


def frames_content(folder: Path) -> list[tuple]:
    reader = FrameReader(folder.parent, *SHAPE)
    return [(entry.step, entry.scale, reader.packed(i)[0].tobytes()) for i, entry in enumerate(reader.entries)]


def damages(whole: bytes, flips: int):
    """Every length that is shorter, and ``flips`` copies with one bit changed, spread over all bits."""
    yield from (whole[:length] for length in range(len(whole)))
    for bit in np.random.default_rng(len(whole)).integers(0, 8 * len(whole), flips).tolist():
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def tried(read, folder: Path, name: str, right: object, also: list = []) -> dict[str, int]:
    """How often reading was refused, gave what was written (or one of ``also``), or gave something else."""
    whole = (folder / name).read_bytes()
    counts = {"tried": 0, "refused": 0, "as_written": 0, "wrong_results": 0}
    for damaged in damages(whole, FLIPS):
        (folder / name).write_bytes(damaged)
        counts["tried"] += 1
        try:
            found = read(folder)
        except RunBroken as error:
            assert name in str(error) or folder.name in str(error)
            counts["refused"] += 1
        else:
            counts["as_written" if found == right or found in also else "wrong_results"] += 1
    (folder / name).write_bytes(whole)
    assert counts["tried"] > FLIPS and not counts["wrong_results"]
    return counts


def test_a_checkpoint_is_read_as_written_or_refused(checkpoint: Path, figures) -> None:
    right = sealed_content(checkpoint)
    tensors = tried(sealed_content, checkpoint, "state.safetensors", right)
    assert tensors["refused"] == tensors["tried"]
    manifest = tried(sealed_content, checkpoint, "manifest.json", right)  # a blank between words of JSON may change
    assert manifest["as_written"] < manifest["tried"] / 1_000
    counts = {name: tensors[name] + manifest[name] for name in tensors}
    figures.add(damaged_checkpoints=counts.pop("tried"), **counts)


def test_frames_are_read_as_written_or_refused(frames: Path, figures) -> None:
    """An index cut short names fewer frames, as that of a killed training does, but none that is wrong.

    That frames are missing is noticed by the checkpoint, which counts them: see the last test.
    """
    right = frames_content(frames)
    blocks = tried(frames_content, frames, "vectors.bin", right)
    assert blocks["refused"] == blocks["tried"]
    index = tried(frames_content, frames, "index.jsonl", right, [right[:count] for count in range(len(right))])
    counts = {name: blocks[name] + index[name] for name in blocks}
    figures.add(damaged_frames=counts.pop("tried"), **counts)


def test_the_older_checkpoint_stands_in_for_a_damaged_newer_one(checkpoint: Path) -> None:
    newer = checkpoint.with_name("step-000000240")
    shutil.copytree(checkpoint, newer)
    content = bytearray((newer / "state.safetensors").read_bytes())
    content[-1] ^= 1
    (newer / "state.safetensors").write_bytes(content)
    found = latest_checkpoint(checkpoint.parent)
    assert found is not None and found.step == 120
    shutil.rmtree(checkpoint)
    with pytest.raises(RunBroken, match="sha256"):
        latest_checkpoint(checkpoint.parent)


def test_frames_that_are_missing_are_noticed_by_the_checkpoint(tmp_path: Path) -> None:
    """An index cut at the end of a line is whole in itself; the checkpoint knows better."""
    run = import_run(SAMPLE, tmp_path)
    index = run.path / "frames" / "index.jsonl"
    lines = index.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        index.write_bytes(b"".join(lines[:kept]))
        with pytest.raises(RunBroken, match=f"{kept} of the {len(lines)} frames"):
            run.frames()
    index.write_bytes(b"".join(lines))
    assert len(run.frames()) == len(lines)
