"""Is it worth it to merge codes: the same splits trained before and after, paired, in a process of its own.

The merged set is trained on exactly the formulas and folds of the unmerged one, so that each split is a pair. The worker
is ``python -m matrep_core.whatif.trial RESULT LOCK`` (see views/background.py); each split is kept by its content, so
that a trial that was killed, or is asked for more splits, goes on where it was.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrep_core.evaluation.comparison import Comparison, compare
from matrep_core.formulas.schema import FormulaSet
from matrep_core.limits import Bound
from matrep_core.runs.store import Run, create_run
from matrep_core.settings import TrainingSettings
from matrep_core.training import fit, prepare
from matrep_core.views import background
from matrep_core.views.background import Arrays, Progress
from matrep_core.views.cache import cache_path, content_key, read_cached, write_cached
from matrep_core.whatif.merge import Groups, checked, merged
from matrep_core.wording import measured

SPLITS = Bound(1, 50)
FRAMES = 2  # the least: nobody looks at these runs
BEFORE, AFTER = "separate codes", "merged codes"
_VERSION = 1  # of what a split keeps; a new one leaves the old ones behind
_WORKSPACE = "training"


def split_result(data: FormulaSet, groups: Groups, settings: TrainingSettings, workspace: Path) -> Arrays:
    """Train before and after on the split of ``settings.seed``: formula, measured, before and after (E,) of the eval part."""
    with tempfile.TemporaryDirectory(dir=workspace) as folder:
        first = prepare(Path(folder) / "before", data, replace(settings, frames=FRAMES))
        second = create_run(Path(folder) / "after", merged(data, groups), first.settings, first.parts, first.folds, first.scale)
        for run in (first, second):
            fit(run)
        tables = [run.predictions() for run in (first, second)]
        evaluates = (tables[0]["part"] == "eval").to_numpy()
        return {
            "formula": first.kept_model()[0]["formula"][evaluates].astype(np.int64),
            "measured": tables[0]["measured"].to_numpy(np.float64)[evaluates],
            "before": tables[0]["predicted"].to_numpy(np.float64)[evaluates],
            "after": tables[1]["predicted"].to_numpy(np.float64)[evaluates],
        }


def trial(run: Run, groups: Groups, splits: int, folder: Path, tell: Callable[[float], None]) -> Arrays:
    """All splits, seeds 0 to ``splits`` − 1, each kept in ``folder``; the rows of ``split_result`` with their split."""
    workspace = folder.parent / _WORKSPACE
    shutil.rmtree(workspace, ignore_errors=True)  # what a killed worker left; one worker works at a time
    workspace.mkdir(parents=True)
    found = []
    try:
        for seed in range(splits):
            tell(seed / splits)
            settings = replace(run.settings, seed=seed)
            path = folder / f"{_key(run, groups, seed)}.safetensors"
            each = read_cached(path)
            if each is None:
                each = split_result(run.data, groups, settings, workspace)
                write_cached(path, each)
            found.append({**each, "split": np.full(len(each["measured"]), seed)})
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


def _key(run: Run, groups: Groups, what: int | str) -> str:
    settings = {**run.settings.to_json(), "seed": 0, "frames": FRAMES}
    return content_key({}, merge=_VERSION, data=run.data_hash, settings=settings, groups={n: sorted(o) for n, o in groups.items()}, what=what)


def _root(root: Path) -> Path:
    """A folder of its own: its worker must not keep the pictures of other pages waiting."""
    return Path(root) / "merges"


def start(root: Path, run: Run, groups: Groups, splits: int, *, together: bool = False) -> None:
    """Start the trial in a process of its own, or join the one that is at work; raises what ``checked`` raises."""
    groups = checked(run.data, groups, together=together)
    SPLITS.check("splits", splits)
    key = _key(run, groups, f"{splits} splits")
    settings = {
        "run": str(run.path), "groups": {new: list(olds) for new, olds in groups.items()}, "splits": splits,
        "folder": str(cache_path(_root(root), key).parent),
    }  # fmt: skip
    background.ask(_root(root), key, "merge", settings, worker="matrep_core.whatif.trial")


def answer(root: Path, run: Run, groups: Groups, splits: int) -> Arrays | Progress | None:
    """The finished trial, how far it is, or None where it was not asked for; raises MatRepError where it failed."""
    return background.answer(_root(root), _key(run, groups, f"{splits} splits"))


def _merge(settings: dict[str, Any], inputs: Arrays, tell: Callable[[float], None]) -> Arrays:
    run = Run(Path(settings["run"]))
    return trial(run, {new: tuple(olds) for new, olds in settings["groups"].items()}, settings["splits"], Path(settings["folder"]), tell)


# What it means --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Verdict:
    """sentence: whether the merge costs accuracy; measures: one row an error measure; splits: one row a split; groups:
    one row a group with the errors of the formulas that hold one of its codes.
    """

    sentence: str
    measures: pd.DataFrame
    splits: pd.DataFrame
    groups: pd.DataFrame


def verdict(run: Run, groups: Groups, found: Arrays) -> Verdict:
    """What a finished trial says. Errors are in the property's unit, and on a log scale also in powers of ten."""
    error = {side: np.abs(found[side] - found["measured"]) for side in ("before", "after")}
    measures = {f"MAE ({run.unit})" if run.unit else "MAE": (error, np.mean)}
    if run.scale == "log":
        log = {side: np.square(np.log10(found[side]) - np.log10(found["measured"])) for side in ("before", "after")}
        measures["RMSE of log10"] = (log, _root_mean)
    number, names = found["split"], np.unique(found["split"])
    share = 1 - run.settings.train_share
    rows, by_split = [], pd.DataFrame({"split": names})
    for name, (errors, mean) in measures.items():
        each = {side: np.array([mean(errors[side][number == n]) for n in names]) for side in errors}
        by_split[f"{name} before"], by_split[f"{name} after"] = each["before"], each["after"]
        rows.append((name, compare(AFTER, each["after"], BEFORE, each["before"], share)))
    table = pd.DataFrame(
        {"measure": [name for name, _ in rows], "before": [c.their_error for _, c in rows], "after": [c.our_error for _, c in rows],
         "difference": [c.difference for _, c in rows], "low95": [c.low for _, c in rows], "high95": [c.high for _, c in rows],
         "verdict": [WORDS[c.verdict] for _, c in rows]}
    )  # fmt: skip
    return Verdict(_sentence(run, groups, rows), table.astype({"low95": float, "high95": float}), by_split, _by_group(run, groups, found, error))


WORDS = {"worse": "costs accuracy", "better": "gains accuracy", "noise": "within the noise", "unknown": "one split: not known"}


def _root_mean(squares: np.ndarray) -> float:
    return float(np.sqrt(squares.mean()))


def _sentence(run: Run, groups: Groups, rows: list[tuple[str, Comparison]]) -> str:
    codes = sum(len(olds) for olds in groups.values())
    first = rows[0][1]
    what = f"{codes} codes became {len(groups)}; the mean absolute eval error of {run.settings.property} went from {measured(first.their_error)} to {measured(first.our_error, run.unit)}"
    if first.low is None or first.high is None:
        return f"Not known: {what} on one split, and one split cannot tell a difference from noise. Add splits."
    percent = 100 / first.their_error if first.their_error else 0.0
    what += f" ({first.difference * percent:+.1f} %; 95 % interval over {first.splits} paired splits {first.low * percent:+.1f} to {first.high * percent:+.1f} %)"
    other = "".join(f" By the {name} the merge {WORDS[c.verdict]}." for name, c in rows[1:] if c.verdict != first.verdict and c.verdict != "noise")
    if first.verdict == "worse":
        return f"The merge costs accuracy, more than noise: {what}.{other}"
    if first.verdict == "better":
        return f"The merge costs no accuracy, it gains some, more than noise: {what}.{other}"
    most = max(first.high * percent, 0.0)
    return f"No cost can be told from noise: {what}. A cost above {most:.1f} % is unlikely; a smaller one is not ruled out.{other}"


def _by_group(run: Run, groups: Groups, found: Arrays, error: dict[str, np.ndarray]) -> pd.DataFrame:
    """new_code, old_codes, measurements (over all splits), before and after: mean absolute error where a code of it stands."""
    index, rows = run.data.material_index, []
    for new, olds in groups.items():
        held = np.diff(run.data.amounts[:, [index[old] for old in olds]].indptr) > 0
        mine = held[found["formula"]]
        means = [float(error[side][mine].mean()) if mine.any() else float("nan") for side in ("before", "after")]
        rows.append({"new_code": new, "old_codes": ", ".join(olds), "measurements": int(mine.sum()), "before": means[0], "after": means[1]})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    sys.exit(background.main(Path(sys.argv[1]), int(sys.argv[2]), {"merge": _merge}))
