"""The run directory: where runs live, how one is made, opened, listed and deleted. RUN_FORMAT.md draws it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrep_core.errors import MatRepError, NotThere, RunBroken, RunBusy
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.storage import content_hash, read_formula_set, write_formula_set
from matrep_core.runs.checkpoint import committed_frames, read_sealed
from matrep_core.runs.files import is_locked, parse_json, read_json, sync_folder, write_json
from matrep_core.runs.frames import FrameReader
from matrep_core.settings import TrainingSettings

FORMAT = 2
READABLE = (1, 2)
PARTS = ("", "train", "validation", "eval")  # "" = the formula has no value of the property
STATES = ("queued", "training", "stopped", "done", "failed", "lost")
IN_STUDY = "--"  # between the id of a study and the name of one of its runs
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def artifacts_root() -> Path:
    """The folder that holds runs, data sets and caches: $MATREP_ARTIFACTS, or ``artifacts`` beside app.py."""
    return Path(os.environ.get("MATREP_ARTIFACTS") or Path(__file__).resolve().parents[2] / "artifacts")


def new_run_id(property_name: str, n_entries: int) -> str:
    """A fresh name that sorts by time and tells what the run is, for example 20261124-101530-viscosity-n10-3fa2."""
    words = re.sub(r"[^a-z0-9]+", "-", property_name.lower()).strip("-")[:30] or "property"
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{words}-n{n_entries}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class Status:
    """Where a run stands: ``state`` is one of STATES; ``message`` a sentence where something went wrong."""

    state: str
    step: int
    steps: int
    best_step: int | None
    seconds: float  # spent training, all sessions together
    message: str
    share: float = 0.0  # of all the work of this training, fold models included


@dataclass(frozen=True, eq=False)
class Member:
    """One model of a run's ensemble: vectors (M, N) float32, regressor flat, support (M,) int formulas that it trained on."""

    vectors: np.ndarray
    regressor: np.ndarray
    support: np.ndarray
    step: int


@dataclass(frozen=True)
class RunSummary:
    """What the list of runs shows without opening data or frames."""

    id: str
    created: str  # ISO 8601, UTC
    data_name: str
    settings: TrainingSettings
    unit: str
    status: Status
    eval_mae: float | None


class Run:
    """One run on disk, read lazily; nothing is cached that a running training may still change."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.id = self.path.name
        if not (self.path / "config.json").is_file():
            raise NotThere(f"There is no run {self.id!r}. Choose one from the list of runs on the Train page.")
        config = read_json(self.path / "config.json")
        if config.get("format") not in READABLE or type(config["format"]) is not int:
            raise RunBroken(f"{self.id} has run format {config.get('format')!r}; this MatRep reads formats 1 to {FORMAT}.")
        try:
            self.settings = TrainingSettings.from_json(config["settings"], config["format"])
            self.created, self.data_name, self.unit = (str(config[k]) for k in ("created", "data_name", "unit"))
            self.scale, self.data_hash = str(config["scale"]), str(config["data_hash"])
        except (KeyError, TypeError, AttributeError, MatRepError) as error:
            raise RunBroken(f"{self.id}/config.json is not a MatRep run: {error}") from None

    @cached_property
    def data(self) -> FormulaSet:
        """The formulas that the run was made from; raises RunBroken where they changed since."""
        data = read_formula_set(self.path / "data")
        if content_hash(data) != self.data_hash:
            raise RunBroken(f"{self.id}/data is not the data that the run was trained on. Load the run again.")
        return data

    @cached_property
    def parts(self) -> np.ndarray:
        """(F,) for every formula "train", "validation", "eval", or "" where it has no value of the property."""
        stored = read_json(self.path / "split.json").get("parts")
        whole = isinstance(stored, list) and all(isinstance(part, str) and part in PARTS for part in stored)
        if not whole or len(stored) != len(self.data.formula_ids):
            raise RunBroken(f"{self.id}/split.json does not fit the run's formulas.")
        return np.array(stored, dtype=object)

    @cached_property
    def folds(self) -> np.ndarray:
        """(F,) int the fold of every training formula, -1 for the others and where the run has no fold models."""
        stored = read_json(self.path / "split.json").get("folds", [-1] * len(self.data.formula_ids))
        most = self.settings.members
        whole = isinstance(stored, list) and all(type(f) is int and -1 <= f < max(most, 1) for f in stored)
        if not whole or len(stored) != len(self.data.formula_ids):
            raise RunBroken(f"{self.id}/split.json does not fit the run's formulas.")
        return np.array(stored, dtype=np.int64)

    @cached_property
    def support(self) -> np.ndarray:
        """(M,) int: in how many formulas of the training part (validation included) each material occurs."""
        rows = np.isin(self.parts, ["train", "validation"])
        return np.bincount(self.data.amounts[rows].indices, minlength=len(self.data.materials))

    def status(self) -> Status:
        """Where the run stands now. A training whose process is gone without a word is "lost"."""
        held = is_locked(self.path / "lock")
        record = read_json(self.path / "status.json")
        try:
            status = Status(**record)
            kinds = ((status.step, int), (status.steps, int), (status.best_step or 0, int), (status.message, str))
            if status.state not in STATES or not all(type(value) is kind for value, kind in kinds):
                raise TypeError
            if not all(type(value) in (int, float) and value >= 0 for value in (status.step, status.steps, status.seconds, status.share)):
                raise TypeError
        except TypeError:
            raise RunBroken(f"{self.id}/status.json is not a MatRep status.") from None
        if status.state in ("queued", "training") and not held:
            lost = "Its process ended without a word. Resume it; it goes on from its last checkpoint."
            return Status(**{**record, "state": "lost", "message": lost})
        return status

    def metrics(self) -> pd.DataFrame:
        """The recorded steps so far: step, learning_rate, train_loss and, in the property's unit, *_mae."""
        path = self.path / "metrics.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        try:
            rows = [parse_json(line) for line in lines if line.endswith(b"\n")]
            return pd.DataFrame(rows, columns=list(METRICS)).astype(dict.fromkeys(METRICS, float)).astype({"step": int})
        except (ValueError, TypeError) as error:
            raise RunBroken(f"{self.id}/metrics.jsonl is damaged: {error}") from None

    def frames(self) -> FrameReader:
        """The frames so far; raises RunBroken where fewer are there than the checkpoint counts."""
        counted = committed_frames(self.path)  # first: a training that goes on may commit more in between
        reader = FrameReader(self.path, len(self.data.materials), self.settings.n_entries)
        if len(reader) < counted:
            missing = f"it names {len(reader)} of the {counted} frames that the checkpoint counts"
            raise RunBroken(f"{self.id}/frames/index.jsonl is damaged: {missing}. Delete the run, or load it again.")
        return reader

    def frame_steps(self) -> np.ndarray:
        """(T,) int64 steps of the frames so far."""
        return self.frames().steps

    def frame(self, number: int) -> np.ndarray:
        """(M, N_entries) float32 material vectors of one frame."""
        return self.frames().vectors(number)

    def frames_packed(self) -> tuple[np.ndarray, float]:
        """(T, M, N_entries) int16 of all frames on one common scale, and that scale."""
        return self.frames().all_packed()

    def kept_model(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Tensors and facts of the model that the run keeps (its best step, or its last); raises NotThere before."""
        if not (self.path / "model").is_dir():
            raise NotThere(f"{self.id} has no finished model yet. Wait until its training is done or stopped.")
        return read_sealed(self.path / "model")

    @property
    def kept_step(self) -> int:
        """The step whose vectors ``vectors()`` gives: the kept model's, or the newest frame's while it trains."""
        if (self.path / "model").is_dir():
            step = self.kept_model()[1].get("step")
            if type(step) is not int or step < 0:
                raise RunBroken(f"{self.id}/model names no step.")
            return step
        steps = self.frame_steps()
        if not len(steps):
            raise NotThere(f"{self.id} has not started to train. Wait a moment, or look at the Train page.")
        return int(steps[-1])

    def vectors(self) -> np.ndarray:
        """(M, N_entries) float32 material vectors of ``kept_step``."""
        if (self.path / "model").is_dir():
            vectors = self.kept_model()[0].get("material_vectors")
            if vectors is None or vectors.shape != (len(self.data.materials), self.settings.n_entries):
                raise RunBroken(f"{self.id}/model does not fit the run's materials.")
            return vectors
        if not len(self.frames()):
            raise NotThere(f"{self.id} has not started to train. Wait a moment, or look at the Train page.")
        return self.frame(-1)

    def members(self) -> list[Member]:
        """The models of the kept ensemble: the main model, whose vectors ``vectors()`` gives, then one a fold."""
        tensors, facts = self.kept_model()
        found = [Member(self.vectors(), self.regressor(), self.support, self.kept_step)]
        vectors, regressors = tensors.get("folds/vectors"), tensors.get("folds/regressors")
        if vectors is None or regressors is None:
            return found
        if vectors.shape[1:] != found[0].vectors.shape or len(vectors) != len(regressors):
            raise RunBroken(f"{self.id}/model does not fit the run's materials.")
        train = np.isin(self.parts, ["train", "validation"])
        for number, (each, flat) in enumerate(zip(vectors, regressors, strict=True)):
            rows = train & (self.folds != number)
            support = np.bincount(self.data.amounts[rows].indices, minlength=len(self.data.materials))
            found.append(Member(each, flat, support, self.settings.steps))
        return found

    def regressor(self) -> np.ndarray:
        """The kept model's regressor, flat, in the order of model/layout.py."""
        flat = self.kept_model()[0].get("regressor")
        if flat is None or flat.dtype != np.float32 or flat.ndim != 1 or not np.isfinite(flat).all():
            raise RunBroken(f"{self.id}/model holds no regressor.")
        return flat

    def scores(self, of: str = "") -> dict[str, Any]:
        """Errors of the kept predictor: full, eval and train, each with mae, rmse, r2 and, on a log scale, log10_rmse.

        ``of``: "" the whole predictor, "vectors" its models of the vectors without trees and kernel, "alone" the main
        model at its kept step, "last" the main model at its last step.
        """
        return self.scores_in(self.kept_model()[1], of)

    def scores_in(self, facts: dict[str, Any], of: str = "") -> dict[str, Any]:
        """``scores`` from facts of ``kept_model`` that are read already; reading checks every byte of the model."""
        stored = facts.get(f"{of}_scores" if of else "scores", facts.get("scores"))
        if not isinstance(stored, dict) or not {"full", "eval", "train"} <= stored.keys():
            raise RunBroken(f"{self.id}/model holds no scores.")
        return stored

    def blend(self) -> dict[str, float]:
        """The weight of each kind of model in the kept prediction; they sum to 1."""
        weights = self.kept_model()[1].get("weights", {"vectors": 1.0})
        if not isinstance(weights, dict) or not all(type(w) is float for w in weights.values()):
            raise RunBroken(f"{self.id}/model holds no weights of its parts.")
        return weights

    def mean_predictor(self) -> dict[str, Any]:
        """The evaluation errors of always predicting the mean of the training values; the least that a model must beat."""
        stored = self.kept_model()[1].get("mean_predictor")
        if not isinstance(stored, dict) or "mae" not in stored:
            raise RunBroken(f"{self.id}/model holds no errors of the mean predictor.")
        return stored

    def predictions(self) -> pd.DataFrame:
        """One row a measurement, in the property's unit: formula_id, part, measured, predicted, the bounds of its intervals
        (low80, high80, low95, high95; NaN without fold models), and alone, predicted by the vectors without trees and kernel."""
        tensors, _ = self.kept_model()
        ids = np.array(self.data.formula_ids, dtype=object)
        try:
            rows = tensors["formula"]
            missing = np.full(len(rows), np.nan)
            return pd.DataFrame(
                {
                    "formula_id": ids[rows],
                    "part": self.parts[rows],
                    "measured": tensors["measured"],
                    "predicted": tensors["predicted"],
                    **{name: tensors.get(name, missing) for name in ("low80", "high80", "low95", "high95")},
                    "alone": tensors.get("alone", tensors["predicted"]),
                }
            )
        except (KeyError, IndexError, ValueError):
            raise RunBroken(f"{self.id}/model does not fit the run's formulas.") from None


METRICS = (
    "step", "learning_rate", "train_loss", "train_mae", "validation_mae", "eval_mae", "seconds",
)  # fmt: skip


def create_run(
    path: Path, data: FormulaSet, settings: TrainingSettings, parts: np.ndarray, folds: np.ndarray, scale: str
) -> Run:
    """Make a new run directory, whole or not at all: config, data, split and a status of "queued".

    Raises RunBusy where ``path`` exists already, RunBroken where the disk refuses.
    """
    path = Path(path).absolute()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunBusy(f"{path.name} exists already. Choose another name for the run, or delete that one first.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    target = data.property_named(settings.property)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        write_formula_set(data, temporary / "data")
        write_json(temporary / "split.json", {"parts": parts.tolist(), "folds": folds.tolist()}, durable=True)
        config = {
            "format": FORMAT, "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "data_name": data.name,
            "data_hash": content_hash(data), "unit": target.unit, "scale": scale, "settings": settings.to_json(),
        }  # fmt: skip
        write_json(temporary / "config.json", config, durable=True)
        write_status(temporary, Status("queued", 0, settings.steps, None, 0.0, ""))
        (temporary / "lock").touch()
        os.rename(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunBroken(f"The run could not be written to {path.parent.name}: {error.strerror}.") from None
    return Run(path)


def replace_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Swap a folder for a new one that ``fill`` writes; a reader sees the old or the new one, or for an instant none."""
    new, old = (path.with_name(f".{path.name}.{word}") for word in ("new", "old"))
    fill(new)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        os.rename(path, old)
    os.rename(new, path)
    sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def write_status(path: Path, status: Status) -> None:
    write_json(path / "status.json", vars(status))


def runs_folder(root: Path) -> Path:
    return Path(root) / "runs"


def run_path(root: Path, run_id: str) -> Path:
    """Where the run of that id lies: below runs/, or below a study for the id ``<study>--<run>``; raises NotThere."""
    study, _, name = run_id.rpartition(IN_STUDY)
    if _RUN_ID.fullmatch(run_id):
        if (path := runs_folder(root) / run_id).is_dir():
            return path
        if study and _RUN_ID.fullmatch(name) and (path := Path(root) / "studies" / study / "runs" / name).is_dir():
            return path
    raise NotThere(f"There is no run {run_id[:80]!r}. Choose one from the list of runs on the Train page.")


def open_run(root: Path, run_id: str) -> Run:
    """The run of that id below ``root``; raises NotThere for any text that is not the id of a run."""
    run = Run(run_path(root, run_id))
    run.id = run_id
    return run


def summary(run: Run) -> RunSummary:
    """What the list of runs shows; reads the last line of the metrics at most, never data or frames."""
    try:
        eval_mae = float(read_json(run.path / "scores.json")["eval"]["mae"])
    except (RunBroken, KeyError, TypeError, ValueError):
        eval_mae = None
    return RunSummary(run.id, run.created, run.data_name, run.settings, run.unit, run.status(), eval_mae)


@lru_cache(4096)
def _summary(path: Path, stamps: tuple[tuple[int, int] | None, ...]) -> RunSummary:
    return summary(Run(path))


def _current_summary(path: Path) -> RunSummary:
    """``summary``, read anew only where its files were replaced since, or where a lock tells how its training stands."""
    known = _summary(path, tuple(_stamp(path / name) for name in ("config.json", "status.json", "scores.json")))
    return known if known.status.state in ("done", "stopped", "failed") else summary(Run(path))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def list_runs(root: Path) -> tuple[list[RunSummary], list[str]]:
    """All runs below ``root``, newest first, and one sentence for each folder that does not open."""
    found: list[RunSummary] = []
    broken: list[str] = []
    folder = runs_folder(root)
    for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
        if not _RUN_ID.fullmatch(path.name) or not path.is_dir():
            continue
        try:
            found.append(_current_summary(path))
        except MatRepError as error:
            broken.append(str(error))
    return sorted(found, key=lambda s: (s.created, s.id), reverse=True), broken


def delete_run(root: Path, run_id: str) -> None:
    """Remove a run for good; raises RunBusy while it trains. A half-deleted run is never listed."""
    if not _RUN_ID.fullmatch(run_id) or not (runs_folder(root) / run_id).is_dir():
        raise NotThere(f"There is no run {run_id[:80]!r}.")
    path = runs_folder(root) / run_id
    if is_locked(path / "lock"):
        raise RunBusy(f"{run_id} is training. Stop it before you delete it.")
    doomed = path.with_name(f".deleted-{run_id}-{secrets.token_hex(4)}")
    try:
        os.rename(path, doomed)
    except OSError as error:
        raise RunBroken(f"{run_id} cannot be deleted: {error.strerror}. Check the rights of the artifacts folder.") from None
    shutil.rmtree(doomed, ignore_errors=True)

