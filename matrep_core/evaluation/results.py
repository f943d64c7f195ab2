"""A study on disk and what it has found so far: one tidy table of errors, from which every table and chart follows.

    <study>/study.json       what it is asked for: data, settings, N_entries, code activations, splits, baselines
            data/            the formulas
            runs/<activation>-n<N_entries>-s<seed>/   ordinary run directories
            baselines.json   seconds and inner errors of the baselines that are fitted
            cache/           predictions of the baselines, by content
            status.json  lock  stop  log.txt          of a study in a process of its own
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrep_core.errors import MatRepError, NotThere, RunBroken
from matrep_core.evaluation.baselines import kept_predictions
from matrep_core.evaluation.comparison import Comparison, compare
from matrep_core.evaluation.diagnosis import evaluated
from matrep_core.formulas.schema import FormulaSet, observations
from matrep_core.formulas.storage import content_hash, read_formula_set
from matrep_core.model.scores import scores
from matrep_core.runs.files import is_locked, read_json
from matrep_core.runs.store import FORMAT as RUN_FORMAT
from matrep_core.runs.store import Run
from matrep_core.settings import TrainingSettings

FORMAT = 1
PARTS = ("full", "eval", "train")
METRICS = ("mae", "rmse", "r2", "log10_rmse")
PREDICTOR, VECTORS, ALONE, LAST = "default predictor", "vectors, ensemble", "single model, best step", "single model, last step"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Plan:
    """What a study is asked for; extending it makes a plan that holds the old one."""

    settings: TrainingSettings  # N_entries, code activation and seed are those of the lists below
    entries: tuple[int, ...]
    activations: tuple[str, ...]
    splits: int  # split seeds 0 to splits - 1
    baselines: tuple[str, ...]  # their names; empty for none
    data_name: str
    data_hash: str

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "format": FORMAT, "run_format": RUN_FORMAT, "settings": self.settings.to_json()}

    @classmethod
    def from_json(cls, stored: dict[str, Any], place: str) -> Plan:
        try:
            if stored.get("format") != FORMAT:
                raise ValueError(f"study format {stored.get('format')!r}")
            settings = TrainingSettings.from_json(stored["settings"], stored["run_format"])
            entries, activations = tuple(map(int, stored["entries"])), tuple(map(str, stored["activations"]))
            rest = int(stored["splits"]), tuple(map(str, stored["baselines"])), str(stored["data_name"]), str(stored["data_hash"])
            return cls(settings, entries, activations, *rest)
        except (KeyError, TypeError, ValueError, MatRepError) as error:
            reason = str(error).rstrip(".")
            raise RunBroken(f"{place}/study.json is not a study of this MatRep: {reason}. Start a new study.") from None

    def joined(self, more: Plan) -> Plan:
        """This plan and ``more`` of the same study as one."""
        return replace(
            self, entries=tuple(sorted({*self.entries, *more.entries})),
            activations=tuple(dict.fromkeys([*self.activations, *more.activations])),
            splits=max(self.splits, more.splits), baselines=tuple(dict.fromkeys([*self.baselines, *more.baselines])),
        )  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """Runs and baselines that are done, all that are asked for, and the seconds left (None while nothing tells)."""

    done: int
    total: int
    seconds_left: float | None


@dataclass(frozen=True)
class Job:
    """One run of a study: where it lies and how it is trained."""

    path: Path
    settings: TrainingSettings

    @property
    def place(self) -> tuple[str, int, int]:
        return self.settings.code_activation, self.settings.n_entries, self.settings.seed


def jobs_of(
    study: Path, settings: TrainingSettings, entries: Sequence[int], activations: Sequence[str], seeds: Sequence[int]
) -> list[Job]:
    """Every job of a study, each once, the longest ones first, so that no worker is left with a long one at the end."""
    places = [(a, n, s) for n in sorted(set(entries), reverse=True) for a in dict.fromkeys(activations) for s in seeds]
    return [
        Job(
            Path(study) / "runs" / f"{activation}-n{n}-s{seed}",
            replace(settings, code_activation=activation, n_entries=n, seed=seed).checked(),
        )
        for activation, n, seed in places
    ]


class Study:
    """One study on disk, read lazily; nothing is computed that its workers have not computed."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.id = self.path.name
        if not (self.path / "study.json").is_file():
            raise NotThere(f"There is no study {self.id[:80]!r}. Choose one from the list, or start a new one.")
        self.plan = Plan.from_json(read_json(self.path / "study.json"), self.id)

    @cached_property
    def data(self) -> FormulaSet:
        data = read_formula_set(self.path / "data")
        if content_hash(data) != self.plan.data_hash:
            raise RunBroken(f"{self.id}/data is not the data that the study was made from. Start a new study.")
        return data

    @cached_property
    def unit(self) -> str:
        return self.data.property_named(self.plan.settings.property).unit

    @cached_property
    def scale(self) -> str:
        """The property's own scale, whatever scale the models learn on."""
        return self.data.property_named(self.plan.settings.property).scale

    @property
    def jobs(self) -> list[Job]:
        plan = self.plan
        return jobs_of(self.path, plan.settings, plan.entries, plan.activations, range(plan.splits))

    def fits(self) -> list[tuple[str, int]]:
        """The baselines that the study asks for: (name, split seed)."""
        return [(name, seed) for seed in range(self.plan.splits) for name in self.plan.baselines]

    def fitted(self) -> dict[str, Any]:
        """``<name>-s<seed>`` of every baseline that is fitted, with its seconds and inner error."""
        return read_json(self.path / "baselines.json") if (self.path / "baselines.json").is_file() else {}

    def done(self) -> list[tuple[Job, Run]]:
        """The jobs whose run is done, in the order of activation, N_entries and seed."""
        found = []
        for job in sorted(self.jobs, key=lambda job: job.place):
            if (job.path / "config.json").is_file() and (run := self._run(job)).status().state == "done":
                found.append((job, run))
        return found

    def _run(self, job: Job) -> Run:
        """The run of a job, with the study's own formulas where they are the same: reading them once is enough."""
        run = Run(job.path)
        if run.data_hash == self.plan.data_hash:
            run.data = self.data
        return run

    @property
    def busy(self) -> bool:
        return is_locked(self.path / "lock")

    def state(self) -> tuple[str, str]:
        """queued, running, stopped, done, failed or lost, and a sentence ("" where there is nothing to say)."""
        if not (self.path / "status.json").is_file():
            return "running" if self.busy else "done" if self.progress().done == self.progress().total else "stopped", ""
        busy, stored = self.busy, read_json(self.path / "status.json")
        state, message = str(stored.get("state")), str(stored.get("message", ""))
        if state in ("queued", "running") and not busy:
            return "lost", "Its process ended without a word. Go on with it; what is done is kept."
        return state, message

    def progress(self) -> Progress:
        """How far the study is; cheap enough to be asked every second."""
        seconds: dict[int, list[float]] = {}
        known: list[tuple[int, float, float]] = []  # N_entries, share done, seconds spent: of the runs not done
        runs_done = 0
        for job in self.jobs:
            n, run = job.settings.n_entries, None
            if (job.path / "config.json").is_file():
                run = Run(job.path).status()
            if run and run.state == "done":
                runs_done += 1
                seconds.setdefault(n, []).append(run.seconds)
            else:
                known.append((n, run.share if run else 0.0, run.seconds if run else 0.0))
        for n, share, spent in known:
            if n not in seconds and share > 0.05:
                seconds[n] = [spent / share]
        left = 0.0
        if seconds and known:
            sizes = sorted(seconds)
            means = [float(np.mean(seconds[n])) for n in sizes]
            left = sum(float(np.interp(n, sizes, means)) * (1 - share) for n, share, _ in known)
        fitted, fits = self.fitted(), self.fits()
        open_fits = [name for name, seed in fits if f"{name}-s{seed}" not in fitted]
        costs: dict[str, list[float]] = {}
        for key, facts in fitted.items():
            costs.setdefault(key.rpartition("-s")[0], []).append(float(facts["seconds"]))
        everywhere = [each for values in costs.values() for each in values]
        left += sum(float(np.mean(costs.get(name, everywhere))) for name in open_fits if everywhere)
        certain = (seconds or not known) and (everywhere or not open_fits)
        done, total = runs_done + len(fits) - len(open_fits), len(self.jobs) + len(fits)
        return Progress(done, total, left / self._workers() if certain else None)

    def _workers(self) -> int:
        stored = read_json(self.path / "status.json") if (self.path / "status.json").is_file() else {}
        return max(1, int(stored.get("workers", 1)))

    def errors(self) -> pd.DataFrame:
        """One row for each model, split and part: model, activation, n_entries (0 for baselines), seed, step,
        validation (the validation error at the kept step in the property's unit, NaN without one), part, METRICS."""
        rows: list[dict[str, Any]] = []
        for job, run in self.done():
            facts = run.kept_model()[1]
            activation, n, seed = job.place
            validated = _validation(run, facts["step"])
            for model, of, step in _models(run):
                rows += _rows(
                    run.scores_in(facts, of), model=model, activation=activation, n_entries=n, seed=seed, step=facts[step], validation=validated
                )
        for name, seed, predicted, parts, observed in self._baselines():
            log_scale = observed.target.scale == "log"
            part = parts[observed.formulas]
            chosen = {"full": part != "", "eval": part == "eval", "train": np.isin(part, ["train", "validation"])}
            each = {p: scores(observed.values[rows_], predicted[rows_], log_scale=log_scale) for p, rows_ in chosen.items()}
            rows += _rows(each, model=name, activation="", n_entries=0, seed=seed, step=np.nan, validation=np.nan)
        return pd.DataFrame(rows, columns=["model", "activation", "n_entries", "seed", "step", "validation", "part", *METRICS])

    def _baselines(self) -> Iterator[tuple[str, int, np.ndarray, np.ndarray, Any]]:
        """(name, seed, (R,) predictions, (F,) parts, observations) of every baseline that is fitted."""
        fitted, settings = self.fitted(), self.plan.settings
        if not fitted:
            return
        observed = observations(self.data, settings.property, settings.conditions)
        parts_of: dict[int, np.ndarray] = {}
        for name, seed in self.fits():
            if f"{name}-s{seed}" not in fitted:
                continue
            if seed not in parts_of:
                parts_of[seed] = self.parts(seed)
            trains = np.isin(parts_of[seed][observed.formulas], ["train", "validation"])
            if kept := kept_predictions(self.path, self.data, observed, trains, name):
                yield name, seed, kept[0], parts_of[seed], observed

    def parts(self, seed: int) -> np.ndarray:
        """(F,) the parts of the split of that seed, which every run of it shares."""
        for job in self.jobs:
            if job.settings.seed == seed and (job.path / "config.json").is_file():
                return self._run(job).parts
        raise NotThere(f"{self.id} has no run of split {seed} yet.")

    def predictions(self, activation: str, n_entries: int) -> pd.DataFrame:
        """Every evaluated measurement of every split, as ``diagnosis.evaluated`` gives it, with its split ``seed``."""
        tables = [
            evaluated(self.data, run.predictions(), run.parts).assign(seed=job.settings.seed)
            for job, run in self.done()
            if job.place[:2] == (activation, n_entries)
        ]
        if not tables:
            raise NotThere(f"No run of this study with {activation} and N_entries {n_entries} is done yet.")
        return pd.concat(tables, ignore_index=True)

    def baseline_errors(self) -> pd.DataFrame:
        """model, formula_id, seed and absolute_error of every evaluated measurement of the fitted baselines."""
        tables = []
        for name, seed, predicted, parts, observed in self._baselines():
            rows = np.flatnonzero(parts[observed.formulas] == "eval")
            ids = [self.data.formula_ids[f] for f in observed.formulas[rows]]
            error = np.abs(predicted[rows] - observed.values[rows])
            tables.append(pd.DataFrame({"model": name, "formula_id": ids, "seed": seed, "absolute_error": error}))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["model", "formula_id", "seed", "absolute_error"])


def _models(run: Run) -> list[tuple[str, str, str]]:
    """(name, which scores, which step) of the models that one run holds."""
    single = [(ALONE, "alone", "step"), (LAST, "last", "last_step")]
    return [(PREDICTOR, "", "step"), (VECTORS, "vectors", "step"), *single] if run.settings.members else single


def _validation(run: Run, step: int) -> float:
    metrics = run.metrics()
    known = metrics[metrics["validation_mae"].notna() & (metrics["step"] <= step)]
    return float(known["validation_mae"].iloc[-1]) if len(known) else float("nan")


def _rows(found: dict[str, Any], **facts: Any) -> list[dict[str, Any]]:
    return [{**facts, "part": part, **{m: found[part].get(m) for m in METRICS}} for part in PARTS]


def table(errors: pd.DataFrame, metric: str = "mae") -> pd.DataFrame:
    """The research's table: one row a model, code activation and N_entries, averaged over the splits.

    model, activation, n_entries, splits, step and validation error (means), then for Full, Eval and Train the mean of ``metric`` and its
    standard deviation over the splits (NaN for one split alone): full, full_sd, eval, eval_sd, train, train_sd.
    """
    keys = ["model", "activation", "n_entries"]
    rows = []
    for key, group in errors.astype({metric: float}).groupby(keys, sort=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        row |= {"splits": int(group["seed"].nunique())}
        row |= {name: group[name].astype(float).mean() for name in ("step", "validation")}
        for part in PARTS:
            values = group.loc[group["part"] == part, metric]
            row |= {part: values.mean(), f"{part}_sd": values.std(ddof=1)}
        rows.append(row)
    columns = [*keys, "splits", "step", "validation", *(name for part in PARTS for name in (part, f"{part}_sd"))]
    return pd.DataFrame(rows, columns=columns)


def best_model(errors: pd.DataFrame, fallback: int) -> dict[str, Any] | None:
    """The row of ``table`` with the model to judge: the default predictor, or else the single model at its best step.

    Of several N_entries and code activations it is the one with the lowest validation error: choosing by the eval
    error would flatter it. Without validation errors it is the N_entries nearest to ``fallback``.
    """
    rows = table(errors)
    for model in (PREDICTOR, ALONE):
        chosen = rows[rows["model"] == model]
        if len(chosen):
            validated = chosen["validation"]
            order = validated.argmin() if validated.notna().all() else (chosen["n_entries"] - fallback).abs().argmin()
            return chosen.iloc[int(order)].to_dict()
    return None


def best_baseline(errors: pd.DataFrame, metric: str = "mae") -> dict[str, Any] | None:
    """The row of ``table`` with the baseline of the lowest mean eval error; None where none is fitted.

    It is chosen by the very errors that it is compared by, which favours the baselines a little.
    """
    rows = table(errors, metric)
    rows = rows[(rows["n_entries"] == 0) & rows["eval"].notna()]
    return rows.loc[rows["eval"].idxmin()].to_dict() if len(rows) else None


def paired(
    errors: pd.DataFrame, ours: dict[str, Any], theirs: dict[str, Any], train_share: float, metric: str = "mae"
) -> Comparison | None:
    """Compare two rows of ``table`` by their eval errors on the splits that both have; None where there is none."""
    return _over_splits(_label(ours), eval_by_seed(errors, ours, metric), _label(theirs), eval_by_seed(errors, theirs, metric), train_share)


def eval_by_seed(errors: pd.DataFrame, row: dict[str, Any], metric: str = "mae") -> pd.Series:
    """The eval errors of one row of ``table``, by split seed."""
    chosen = (errors["part"] == "eval") & np.logical_and.reduce([errors[k] == row[k] for k in ("model", "activation", "n_entries")])
    return errors[chosen].set_index("seed")[metric].astype(float).dropna()


def _over_splits(ours: str, mine: pd.Series, theirs: str, other: pd.Series, train_share: float) -> Comparison | None:
    both = pd.concat([mine, other], axis=1, join="inner")
    return None if both.empty else compare(ours, both.iloc[:, 0].to_numpy(), theirs, both.iloc[:, 1].to_numpy(), 1 - train_share)


def across(study: Study, errors: pd.DataFrame, other: Study, other_errors: pd.DataFrame, fallback: int) -> Comparison | None:
    """The models to judge of two studies of one data set and property, on the splits that both have; None where
    the splits are not the same ones or nothing is done."""
    here, there = study.plan.settings, other.plan.settings
    split = ("property", "split", "group_by", "train_share", "conditions")
    same = study.plan.data_hash == other.plan.data_hash and all(getattr(here, name) == getattr(there, name) for name in split)
    ours, theirs = best_model(errors, fallback), best_model(other_errors, fallback)
    if not same or ours is None or theirs is None:
        return None
    names = [f"the study above ({_about(here)}, N_entries {ours['n_entries']})", f"the one beside it ({_about(there)}, N_entries {theirs['n_entries']})"]
    return _over_splits(names[0], eval_by_seed(errors, ours), names[1], eval_by_seed(other_errors, theirs), here.train_share)


def _about(settings: TrainingSettings) -> str:
    return f"recipe {settings.recipe}" + (f", together with {', '.join(settings.also)}" if settings.also else "")


def _label(row: dict[str, Any]) -> str:
    words = {
        PREDICTOR: "the default predictor", VECTORS: "the ensemble of the vectors alone",
        ALONE: "the single model at its best step", LAST: "the single model at its last step",
    }  # fmt: skip
    return words.get(row["model"], str(row["model"]))


def studies_folder(root: Path) -> Path:
    return Path(root) / "studies"


def open_study(root: Path, study_id: str) -> Study:
    """The study of that id below the artifacts folder ``root``; raises NotThere for any other text."""
    if not _ID.fullmatch(study_id) or not (studies_folder(root) / study_id).is_dir():
        raise NotThere(f"There is no study {study_id[:80]!r}. Choose one from the list, or start a new one.")
    return Study(studies_folder(root) / study_id)


def list_studies(root: Path) -> tuple[list[Study], list[str]]:
    """All studies below ``root``, newest first, and one sentence for each folder that does not open."""
    found, broken = [], []
    folder = studies_folder(root)
    for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
        if not _ID.fullmatch(path.name) or not path.is_dir():
            continue
        try:
            found.append(Study(path))
        except MatRepError as error:
            broken.append(str(error))
    return found, broken
