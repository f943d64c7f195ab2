"""A study in words: what the command prints, and the sentence that its page begins with."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from matrep_core.errors import NotThere
from matrep_core.evaluation.comparison import in_words as comparison_in_words
from matrep_core.evaluation.diagnosis import flattery
from matrep_core.evaluation.results import ALONE, LAST, PARTS, PREDICTOR, VECTORS, Study, best_baseline, best_model, paired, table
from matrep_core.wording import measured

USUAL_ENTRIES = 10


def headline(study: Study, errors: pd.DataFrame) -> str:
    """Who wins, by how much, and whether that is noise; "" while nothing can be compared."""
    ours, theirs = best_model(errors, USUAL_ENTRIES), best_baseline(errors)
    if ours is None or theirs is None:
        return ""
    found = paired(errors, ours, theirs, study.plan.settings.train_share)
    if found is None:
        return ""
    best = f"Of the baselines {theirs['model']} is the best; MatRep is judged at N_entries {ours['n_entries']}, {ours['activation']}. "
    return best + comparison_in_words(found, study.plan.settings.property, study.unit)


def costs(study: Study, errors: pd.DataFrame) -> list[str]:
    """Further comparisons at the N_entries that is judged: what the vectors alone achieve, what one model alone, best or last step."""
    ours = best_model(errors, USUAL_ENTRIES)
    if ours is None:
        return []
    rows, sentences = table(errors), []
    for mine, other in ((PREDICTOR, VECTORS), (PREDICTOR, ALONE), (ALONE, LAST)):
        pair = [
            rows[(rows["model"] == m) & (rows["n_entries"] == ours["n_entries"]) & (rows["activation"] == ours["activation"])]
            for m in (mine, other)
        ]
        if any(each.empty for each in pair):
            continue
        first, second = (each.iloc[0].to_dict() for each in pair)
        found = paired(errors, first, second, study.plan.settings.train_share)
        if found and (found.difference or first["step"] != second["step"]):
            sentences.append(comparison_in_words(found, study.plan.settings.property, study.unit))
    return sentences


def document_of(study: Study, left: dict[str, str]) -> dict[str, Any]:
    """What ``study --json`` prints: the table, the headline, whether the split flatters, and what is not done."""
    errors, ours = study.errors(), None
    rows = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in table(errors).to_dict("records")]
    if errors.size:
        ours = best_model(errors, USUAL_ENTRIES)
    flatters = ""
    if ours is not None:
        try:
            _, flatters = flattery(study.predictions(ours["activation"], ours["n_entries"]), study.plan.settings.split)
        except NotThere:
            pass
    return {
        "study": str(study.path), "property": study.plan.settings.property, "unit": study.unit, "split": study.plan.settings.split,
        "rows": rows, "headline": headline(study, errors), "comparisons": costs(study, errors), "flattery": flatters,
        "unfinished": [{"name": name, "state": words} for name, words in left.items()],
    }  # fmt: skip


def in_words(document: dict[str, Any]) -> str:
    """The same as text, one line a row of the table."""
    unit = f" in {document['unit']}" if document["unit"] else ""
    head = f"MAE of {document['property']}{unit}, split {document['split']}, mean ± standard deviation over the splits"
    lines = [head, f"{'model':25} {'activation':10} {'N_entries':>9} {'splits':>6} {'step':>8}"]
    lines[1] += "".join(f" {part.capitalize():>19}" for part in PARTS)
    for row in document["rows"]:
        step = f"{row['step']:8,.0f}" if row["step"] is not None else " " * 8
        line = f"{row['model']:25} {row['activation']:10} {row['n_entries'] or '':>9} {row['splits']:6} {step}"
        for part in PARTS:
            spread = f" ± {measured(row[f'{part}_sd']):<8}" if row[f"{part}_sd"] is not None else " " * 11
            line += f" {measured(row[part]):>9}{spread}"
        lines.append(line.rstrip())
    if not document["rows"]:
        lines = ["No run of this study is done yet."]
    lines += [text for text in (document["headline"], *document["comparisons"], document["flattery"]) if text]
    if document["unfinished"]:
        lines.append(f"{len(document['unfinished'])} runs and baselines are not done. The same command goes on with them:")
        lines += [f"  {each['name']}: {each['state']}" for each in document["unfinished"]]
    return "\n".join(lines)
