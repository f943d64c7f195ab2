"""Whether look-alikes are found where they are known: materials under two codes each, and who is proposed.

Each of TWINS materials of every real set gets a second code in half of its formulas, chosen at random; a model is
trained, and groups are proposed. TUNED is the draw that the settings of matrep_core/whatif/lookalikes.py were chosen on.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from benchmarks.placing import subset
from benchmarks.quality import real_sets
from matrep_core.formulas.schema import FormulaSet
from matrep_core.settings import from_recipe
from matrep_core.similarity.evidence import similarity_of
from matrep_core.training import fit, prepare
from matrep_core.views.neighbours import formulas_with
from matrep_core.whatif.lookalikes import propose

TUNED, DRAWS = 5, (11, 12, 13)
TWINS = 6
LEAST, MOST_SHARE = 20, 0.9  # formulas of a material that gets a second code, and the share of all formulas
SECOND = " (second code)"


def split_in_two(data: FormulaSet, code: str, second: str, random: np.random.Generator) -> FormulaSet:
    """``data`` with the new code ``second`` for the material ``code`` in half of its formulas; its facts are the same."""
    material = data.material_index[code]
    rows = formulas_with(data, material)
    moved = random.permutation(rows)[: len(rows) // 2]
    amounts = data.amounts.tolil()
    column = csr_array((len(data.formula_ids), 1)).tolil()
    column[moved, 0] = amounts[moved, material]
    amounts[moved, material] = 0
    codes = [*data.materials, second]
    order = sorted(range(len(codes)), key=codes.__getitem__)
    joint = csr_array(np.hstack([amounts.toarray(), column.toarray()])[:, order])
    info = pd.concat([data.material_info, data.material_info.iloc[[material]]]).iloc[order].reset_index(drop=True)
    return replace(data, materials=tuple(codes[n] for n in order), amounts=joint, material_info=info)


def measure(folder: Path | None, *, tune: bool = False, quick: bool = False) -> None:
    """Print a table as Markdown: twins found as one sure group, twins that were mixed with others, sure groups in all."""
    lines = ["| set | codes, twins counted once | twins planted | found, nothing against | proposed, doubtful | not proposed | sure groups of other codes |", "|" + " --- |" * 7]
    for data, target in real_sets(folder):
        data = subset(data, np.unique(data.measurements.loc[data.measurements["property"] == target, "formula"]))
        counts = np.zeros(5, int)
        for draw in (TUNED,) if tune else DRAWS[: 1 if quick else None]:
            print(f"{data.name}, draw {draw}", file=sys.stderr, flush=True)
            counts += _drawn(data, target, draw, quick)
        planted, found, doubtful, missed, others = counts.tolist()
        lines.append(f"| {data.name} | {len(data.materials)} | {planted} | {found} | {doubtful} | {missed} | {others} |")
    print("\n".join(lines))


def _drawn(data: FormulaSet, target: str, draw: int, quick: bool) -> np.ndarray:
    """(5,) planted, found, doubtful, missed, and sure groups without a twin."""
    random = np.random.default_rng(draw)
    uses = data.support
    codes = [data.materials[m] for m in random.permutation(np.flatnonzero((uses >= LEAST) & (uses <= MOST_SHARE * len(data.formula_ids))))[:TWINS]]
    twins = data
    for code in codes:
        twins = split_in_two(twins, code, code + SECOND, random)
    changes = {"steps": 30, "members": 2} if quick else {}
    with tempfile.TemporaryDirectory() as temporary:
        run = prepare(Path(temporary) / "run", twins, from_recipe("default", property=target, frames=2, **changes))
        fit(run)
        groups = propose(similarity_of(run), target, 100).groups
    sure = [set(group.codes) for group in groups if not group.against]
    doubtful = [set(group.codes) for group in groups if group.against]
    pairs = [{code, code + SECOND} for code in codes]
    found = sum(any(pair <= group for group in sure) for pair in pairs)
    unsure = sum(any(pair <= group for group in doubtful) for pair in pairs)
    others = sum(not any(pair & group for pair in pairs) for group in sure)
    return np.array([len(pairs), found, unsure, len(pairs) - found - unsure, others])
