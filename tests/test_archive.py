"""Runs that come in as zips: what is not exactly an exported run is refused, and leaves nothing behind."""

from __future__ import annotations

import json
import stat
import zipfile

import numpy as np
import pytest

from matrep_core.errors import MatRepError, NotThere
from matrep_core.runs.archive import import_run, write_archive
from matrep_core.runs.store import Run, open_run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare


@pytest.fixture(scope="module")
def archive(small_cosmetics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    run = prepare(folder / "run-1", small_cosmetics, from_recipe("default", property="viscosity", steps=30, frames=5))
    fit(run)
    write_archive(run, folder / "run.zip")
    return folder / "run.zip"


def members(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(path, contents: dict[str, bytes], kind=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", kind) as made:
        for name, content in contents.items():
            made.writestr(name, content)
    return path


def test_it_comes_back_as_it_left_and_keeps_its_neighbours_apart(archive, tmp_path):
    first, second = import_run(archive, tmp_path), import_run(archive, tmp_path)
    assert first.id == "run-1" and second.id.startswith("run-1-")
    original = Run(archive.parent / "run-1")
    for run in (first, second):
        np.testing.assert_array_equal(run.vectors(), original.vectors())
        assert run.data.materials == original.data.materials
        assert run.frame_steps().tolist() == original.frame_steps().tolist()


def flip(content: bytes, place: float = 0.5) -> bytes:
    out = bytearray(content)
    out[int(len(out) * place)] ^= 1
    return bytes(out)


def changed_json(content: bytes, **changes) -> bytes:
    return json.dumps({**json.loads(content), **changes}).encode()


ATTACKS = {
    "climbs out": lambda m: {**m, "run-1/../../outside.txt": b"x"},
    "absolute": lambda m: {**m, "/tmp/outside.txt": b"x"},
    "backslash": lambda m: {**m, "run-1/..\\..\\outside.txt": b"x"},
    "two runs": lambda m: {**m, "run-2/config.json": b"{}"},
    "hidden run": lambda m: {name.replace("run-1", ".run"): c for name, c in m.items()},
    "unknown member": lambda m: {**m, "run-1/step-000000030/state.pt": b"\x80\x04."},
    "script": lambda m: {**m, "run-1/model/run.py": b"print()"},
    "no config": lambda m: {n: c for n, c in m.items() if not n.endswith("config.json")},
    "no data": lambda m: {n: c for n, c in m.items() if "/data/" not in n},
    "no model and no frames": lambda m: {n: c for n, c in m.items() if "/model/" not in n and "/frames/" not in n},
    "changed model": lambda m: {**m, "run-1/model/state.safetensors": flip(m["run-1/model/state.safetensors"])},
    "changed manifest": lambda m: {**m, "run-1/model/manifest.json": flip(m["run-1/model/manifest.json"])},
    "changed frame": lambda m: {**m, "run-1/frames/vectors.bin": flip(m["run-1/frames/vectors.bin"], 0.9)},
    "cut frames": lambda m: {**m, "run-1/frames/vectors.bin": m["run-1/frames/vectors.bin"][:-2]},
    "changed index": lambda m: {**m, "run-1/frames/index.jsonl": m["run-1/frames/index.jsonl"].replace(b'"scale": ', b'"scale": 1')},
    "other settings": lambda m: {**m, "run-1/config.json": changed_json(m["run-1/config.json"], settings={"n_entries": 10**10})},
    "more entries": lambda m: {**m, "run-1/config.json": m["run-1/config.json"].replace(b'"n_entries": 10', b'"n_entries": 11')},
    "future format": lambda m: {**m, "run-1/config.json": changed_json(m["run-1/config.json"], format=99)},
    "duplicate key": lambda m: {**m, "run-1/status.json": b'{"state": "done", "state": "queued"}'},
    "NaN": lambda m: {**m, "run-1/status.json": m["run-1/status.json"].replace(b'"seconds": ', b'"seconds": NaN, "x": ')},
    "deep JSON": lambda m: {**m, "run-1/split.json": b"[" * 100_000},
    "short split": lambda m: {**m, "run-1/split.json": b'{"parts": ["train"]}'},
    "pickle as data": lambda m: {**m, "run-1/data/amounts.parquet": b"\x80\x04\x95\x05\x00."},
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_changed_archive_is_refused_in_a_sentence(archive, tmp_path, attack):
    bad = zipped(tmp_path / "bad.zip", ATTACKS[attack](members(archive)))
    root = tmp_path / "artifacts"
    with pytest.raises(MatRepError) as refused:
        import_run(bad, root)
    assert str(refused.value) and ".import-" not in str(refused.value)
    assert list(runs_folder(root).iterdir()) == [] and not (tmp_path / "outside.txt").exists()


def test_bombs_links_and_no_zips_are_refused(archive, tmp_path):
    contents = members(archive)
    bomb = zipped(tmp_path / "bomb.zip", {**contents, "run-1/metrics.jsonl": b"0" * 50_000_000}, zipfile.ZIP_DEFLATED)
    link = tmp_path / "link.zip"
    with zipfile.ZipFile(link, "w") as made:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((stat.S_IFLNK if name.endswith("scores.json") else stat.S_IFREG) | 0o644) << 16
            made.writestr(info, b"/etc/passwd" if name.endswith("scores.json") else content)
    text, cut = tmp_path / "text.zip", tmp_path / "cut.zip"
    text.write_text("not a zip")
    cut.write_bytes(archive.read_bytes()[:-200])
    for path in (bomb, link, text, cut):
        with pytest.raises(MatRepError):
            import_run(path, tmp_path / "artifacts")
    assert list(runs_folder(tmp_path / "artifacts").iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "/etc", "x" * 200, "a\0b", "<img src=x>", "run\n1", "C:\\x", "~"])
def test_no_name_leads_out_of_the_store(tmp_path, name):
    runs_folder(tmp_path).mkdir()
    with pytest.raises(NotThere):
        open_run(tmp_path, name)
