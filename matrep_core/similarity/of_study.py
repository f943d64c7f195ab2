"""Evidence from all runs of a study: other splits, seeds, N_entries and code activations over the same formulas.

What is read from the runs is kept by content, because reading many large runs takes longer than a page may: the worker
is ``python -m matrep_core.similarity.of_study RESULT LOCK``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matrep_core.errors import NotThere
from matrep_core.evaluation.results import Study
from matrep_core.model.problem import TargetScale
from matrep_core.runs.store import Run
from matrep_core.similarity.effects import Models
from matrep_core.similarity.evidence import models_of
from matrep_core.similarity.ranking import Similarity
from matrep_core.similarity.reliability import Reliability
from matrep_core.views.background import Arrays, Progress, ask, main
from matrep_core.views.cache import content_key
from matrep_core.views.facts import TRAINING_PARTS

MOST_NUMBERS = 10**7  # of the vectors of all models together; above, fewer models of each run are asked
AT_ONCE = 10**6  # such numbers that are read while the page waits; above, a process of its own reads them
LEAST_RUNS = 2  # one run alone is no study
_VERSION = 1  # of what is kept
_TASK = "similarity of a study"


@dataclass(frozen=True, eq=False)
class Kept:
    """One model as it is kept: vectors (M, N) and regressor float32, support (M,) int."""

    vectors: np.ndarray
    regressor: np.ndarray
    support: np.ndarray


def runs_of(study: Study) -> list[Run]:
    """The finished runs of a study; raises NotThere where fewer than LEAST_RUNS are done."""
    found = [run for _, run in study.done()]
    if len(found) < LEAST_RUNS:
        raise NotThere(f"Only {len(found)} of the runs of {study.id} {'is' if len(found) == 1 else 'are'} done; {LEAST_RUNS} are needed. Wait, or choose this run.")
    return found


def models_each(runs: list[Run]) -> int:
    """How many models of each run are asked: as many as all have, and MOST_NUMBERS allows; at least the main one."""
    numbers = sum(len(run.data.materials) * run.settings.n_entries for run in runs)
    return max(1, min(MOST_NUMBERS // max(1, numbers), min(1 + run.settings.members for run in runs)))


def similarity_of_study(study: Study) -> Similarity:
    """The study's materials, ready to be ranked by what all its finished runs know; raises NotThere for too few runs.

    A material has the support of all formulas that any of the runs trained on.
    """
    runs = runs_of(study)
    return restored(study, runs, collected(runs))


def collected(runs: list[Run], tell: Callable[[float], None] = lambda share: None) -> Arrays:
    """What is kept of the runs: their models, and what is dear to compute from them; ``tell`` hears the share done."""
    each, found = models_each(runs), {}
    for number, run in enumerate(runs):
        models = models_of(run)
        members = models.members[:each]
        found[f"{number} vectors"] = np.stack([member.vectors for member in members])
        found[f"{number} regressors"] = np.stack([member.regressor for member in members])
        found[f"{number} supports"] = np.stack([member.support for member in members])
        found[f"{number} scale"] = np.frombuffer(json.dumps(vars(models.scale)).encode(), np.uint8)
        tell(0.6 * (number + 1) / len(runs))
    return found


def restored(study: Study, runs: list[Run], found: Arrays) -> Similarity:
    """What ``collected`` gave of these runs, ready to be ranked."""
    voices = []
    for number, run in enumerate(runs):
        stacks = (found[f"{number} {name}"] for name in ("vectors", "regressors", "supports"))
        scale = TargetScale(**json.loads(found[f"{number} scale"].tobytes()))
        voices.append(Models([Kept(*model) for model in zip(*stacks, strict=True)], run.settings, scale))
    parts = np.where(np.any([np.isin(run.parts, TRAINING_PARTS) for run in runs], axis=0), "train", "eval").astype(object)
    similarity = Similarity(study.data, parts, voices[0], runs=voices)
    if "fingerprint" in found:  # computed by the worker; otherwise when it is first asked for
        similarity.fingerprint = found["fingerprint"]
        similarity.reliability = Reliability(int(found["reliability"][0]), *map(float, found["reliability"][1:]))
    return similarity


def ask_study(root: Path, study: Study) -> Similarity | Progress:
    """As ``similarity_of_study``; large studies are read by a process of their own and kept by content below ``root``."""
    runs = runs_of(study)
    numbers = models_each(runs) * sum(len(study.data.materials) * run.settings.n_entries for run in runs)
    if numbers <= AT_ONCE:
        return restored(study, runs, collected(runs))
    found = ask(root, study_key(study, runs), _TASK, {"study": str(study.path.absolute())}, worker=__name__)
    return found if isinstance(found, Progress) else restored(study, runs, found)


def study_key(study: Study, runs: list[Run]) -> str:
    """A text that names the study's finished runs by content."""
    models = {run.path.name: np.frombuffer((run.path / "model" / "manifest.json").read_bytes(), np.uint8) for run in runs}
    return content_key(models, data=study.plan.data_hash, version=_VERSION)


def _task(settings: dict[str, Any], inputs: Arrays, tell: Callable[[float], None]) -> Arrays:
    study = Study(Path(settings["study"]))
    runs = runs_of(study)
    found = collected(runs, tell)
    similarity = restored(study, runs, found)
    found["fingerprint"] = similarity.fingerprint.astype(np.float32)
    tell(0.9)
    known = similarity.reliability
    found["reliability"] = np.array([known.entries, known.amounts, known.partners])
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), {_TASK: _task}))
