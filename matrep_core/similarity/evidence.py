"""What speaks for a neighbour, and against: support, agreement of the models, since when, predicted change, swaps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from matrep_core.errors import RunBroken
from matrep_core.model.problem import TargetScale
from matrep_core.runs.store import Run
from matrep_core.similarity.effects import Models, effect_per_percent, probe_formulas, scaled_predictions, swap_effects
from matrep_core.similarity.functions import function_distances, same_function
from matrep_core.similarity.ranking import Similarity
from matrep_core.views.facts import caution
from matrep_core.views.neighbours import Neighbours, Points, formulas_with, shared_counts

NEAREST = 10  # a model names a material where it is among that many nearest by its vectors
OFTEN = 0.5  # of the rarer one's formulas
MOST_NUMBERS = 2 * 10**8  # of all frames together; larger runs are asked at fewer steps


def similarity_of(run: Run) -> Similarity:
    """The run's materials, ready to be ranked by what its kept models know; raises NotThere before it has one."""
    return Similarity(run.data, run.parts, models_of(run))


def models_of(run: Run) -> Models:
    """The kept models of a run; raises NotThere before it has one."""
    try:
        scale = TargetScale(**run.kept_model()[1]["target_scale"])
    except (KeyError, TypeError):
        raise RunBroken(f"{run.id}/model does not say on which scale it predicts.") from None
    return Models(run.members(), run.settings, scale)


def agreement(similarity: Similarity, query: int, others: np.ndarray) -> tuple[np.ndarray, int]:
    """In how many voices each of ``others`` is among the NEAREST by cosine of its learned vectors, and of how many.

    Voices in which the query never trained, and so has no vector of its own, are not asked.
    """
    votes, asked = np.zeros(len(others), np.int64), 0
    for voice, points in zip(similarity.voices, similarity.voice_points, strict=True):
        support = voice.members[0].support
        if support[query] and points.defined[query]:
            asked += 1
            votes += np.isin(others, points.nearest(query, NEAREST, support > 0).indices)
    return votes, asked


def held_since(run: Run, query: int, others: np.ndarray) -> np.ndarray:
    """(len(others),) float: the training step since which each has been among the NEAREST by cosine in the main model.

    Read from the frames up to the kept step, at their spacing; NaN where it is not among them at the last one.
    """
    steps = run.frame_steps()
    numbers = np.flatnonzero(steps <= run.kept_step)
    since = np.full(len(others), np.nan)
    if not len(numbers) or not run.support[query]:
        return since
    most = max(4, MOST_NUMBERS // max(1, len(run.data.materials) * run.settings.n_entries))
    if len(numbers) > most:
        numbers = numbers[np.unique(np.linspace(0, len(numbers) - 1, most).astype(int))]
    frames, among = run.frames(), run.support > 0
    holding = np.ones(len(others), bool)
    for number in numbers[::-1]:
        points = Points(frames.vectors(int(number)), "cosine")
        if not points.defined[query]:
            break
        holding &= np.isin(others, points.nearest(query, NEAREST, among).indices)
        since[holding] = steps[number]
        if not holding.any():
            break
    return since


def together(shared: int, uses: int, other_uses: int) -> str:
    """In words how often two materials stand in one formula: "never", "seldom" or "often" (of the rarer one's formulas)."""
    if not shared:
        return "never"
    return "often" if shared >= OFTEN * min(uses, other_uses) else "seldom"


EVIDENCE = (
    "material", "inci", "function", "distance", "same_function", "function_distance", "support", "low", "high", "caution",
    "members_naming", "members_asked", "since_step", "change_mean", "change_worst", "change_spread", "change_unit",
    "shared_formulas", "together", "swaps", "swap_from", "swap_to", "swap_likeness",
)  # fmt: skip


def evidence(
    similarity: Similarity,
    found: Neighbours,
    facts: pd.DataFrame,
    since: Callable[[int, np.ndarray], np.ndarray] | None = None,
) -> pd.DataFrame:
    """One row a neighbour, nearest first, with the columns EVIDENCE; ``facts`` comes from ``material_facts``.

    support, low, high: training formulas and amounts there (weight-%); members_naming of members_asked models (of a study:
    runs) name it among their NEAREST; since_step as ``since(query, others)`` gives (NaN without); change_* what the models
    predict where it takes the place of the query at the same weight-%, in change_unit: "%" of the value or the property's own;
    change_spread is NaN for a lone model; swap_* the likest pair of formulas that differ in this swap ("" = none).
    """
    data, others = similarity.data, found.indices
    table = facts.iloc[others][["material", "inci", "function", "support", "low", "high"]].reset_index(drop=True)
    jaccard = function_distances(similarity.functions[0], found.query)[others]
    votes, asked = agreement(similarity, found.query, others)
    effect = swap_effects(similarity.voices, data.amounts[formulas_with(data, found.query)], found.query, others)
    factor = 100.0 if effect.relative else 1.0
    shared = shared_counts(data, found.query)[others]
    uses = data.support
    strength, pair, likeness = similarity.swaps.around(found.query)
    ids = np.array([*data.formula_ids, ""], dtype=object)
    table = table.assign(
        distance=found.distances,
        same_function=[same_function(each) for each in jaccard],
        function_distance=jaccard,
        caution=[caution(int(each)) for each in table["support"]],
        members_naming=votes,
        members_asked=asked,
        since_step=np.full(len(others), np.nan) if since is None else since(found.query, others),
        change_mean=effect.mean * factor,
        change_worst=effect.worst * factor,
        change_spread=effect.spread * factor,
        change_unit="%" if effect.relative else similarity.unit,
        shared_formulas=shared,
        together=[together(s, uses[found.query], uses[other]) for s, other in zip(shared, others, strict=True)],
        swaps=strength[others] > 0,
        swap_from=ids[pair[others, 0]],
        swap_to=ids[pair[others, 1]],
        swap_likeness=likeness[others],
    )
    return table[list(EVIDENCE)]



def property_effects(similarity: Similarity) -> tuple[np.ndarray, str]:
    """(M,) what one weight-% more of each material does to the property, the mean over all voices, and its unit."""
    probes, total = similarity.data.amounts[probe_formulas(similarity.parts)], np.zeros(len(similarity.data.materials))
    for voice, slope in zip(similarity.voices, similarity.each_fingerprint(), strict=True):
        targets = np.mean([scaled_predictions(voice, member, probes) for member in voice.members], axis=0)
        total += effect_per_percent(slope[None], voice.scale, targets)
    effect = total / len(similarity.voices)
    return (100 * effect, "%") if similarity.ensemble.scale.kind == "log" else (effect, similarity.unit)
