"""What a background worker can compute: one function a task, ``(settings, inputs, progress) -> arrays``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from matrep_core.runs.store import Run
from matrep_core.views.alignment import common_materials, common_neighbours
from matrep_core.views.distilled import umap_over_frames
from matrep_core.views.projection import umap
from matrep_core.views.tracking import grouped
from matrep_core.views.trajectory import trajectory
from matrep_core.views.trust import trust

Arrays = dict[str, np.ndarray]
Tell = Callable[[float], None]


def _umap(settings: dict[str, Any], inputs: Arrays, tell: Tell) -> Arrays:
    return {"coordinates": umap(inputs["vectors"], settings["dimensions"], settings["seed"]).coordinates}


def _umap_over_frames(settings: dict[str, Any], inputs: Arrays, tell: Tell) -> Arrays:
    film = umap_over_frames(trajectory(Run(Path(settings["run"]))), settings["dimensions"], tell)
    return {"codes": film.codes, "scales": film.scales, "missed": np.array([film.missed])}


def _groups(settings: dict[str, Any], inputs: Arrays, tell: Tell) -> Arrays:
    found = grouped(trajectory(Run(Path(settings["run"]))), settings["method"], settings["number"], tell)
    return {"labels": found.labels.astype(np.int16), "silhouettes": found.silhouettes}


def _trust(settings: dict[str, Any], inputs: Arrays, tell: Tell) -> Arrays:
    codes = inputs["codes"]
    pictures = [np.ascontiguousarray(codes[:, :, axes]) for axes in settings["axes"]]
    answer: Arrays = {}
    for number, found in enumerate(trust(trajectory(Run(Path(settings["run"]))), pictures, tell)):
        answer[f"total{number}"] = np.stack([found.kept, found.trustworthiness, found.continuity])
        answer[f"each{number}"] = np.stack([found.each_kept, found.each_trustworthiness, found.each_continuity])
        answer[f"chance{number}"] = np.array([found.of, found.by_chance])
    return answer


def _common(settings: dict[str, Any], inputs: Arrays, tell: Tell) -> Arrays:
    one, other = (Run(Path(settings[name])) for name in ("run", "other"))
    rows = common_materials(one.data.materials, other.data.materials)
    found = common_neighbours(trajectory(one), trajectory(other), rows, tell)
    return {"share": found.share, "by_chance": np.array([found.by_chance]), "of": np.array([found.of])}


TASKS: dict[str, Callable[[dict[str, Any], Arrays, Tell], Arrays]] = {
    "umap": _umap,
    "umap over frames": _umap_over_frames,
    "groups": _groups,
    "trust": _trust,
    "common": _common,
}
