"""How well a material that a run never saw is placed, beside every other way, and how often its intervals hold.

Materials are held out of training with all their formulas, a few at a time. Of each, k of its formulas are then shown;
the error is measured on the others, in standard deviations of the training values, as a mean over the materials and
over DRAWS draws of the k. TUNED names the materials that the settings of matrep_core/whatif/placing.py were chosen on
(``--tune`` measures those); the table is of others.
"""

from __future__ import annotations

import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from benchmarks.quality import real_sets
from matrep_core.formulas.schema import FormulaSet
from matrep_core.predictor import predictor_of
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_core.whatif.bench import Asked
from matrep_core.whatif.newcomers import joined, new_formulas, texts_of
from matrep_core.whatif.placing import Evidence, Placer
from matrep_core.whatif.region import posterior, prior_region

KS = (1, 3, 10)
DRAWS = 3
LEAST, MOST = 14, 60  # formulas of a held-out material; more are drawn from
OF_A_SET, TOGETHER = 13, 3  # materials of a set at most, and how many one training leaves out
COMMON = 0.35  # share of the formulas from which on a material cannot be held out
TUNED = {  # materials that the settings were chosen on, and that no reported figure holds
    "shampoo": (
        "Plantacare 818",
        "Plantapon ACG 50",
        "Plantapon LC 7",
        "Salcare Super 7",
        "Texapon SB 3 KC",
        "Dehyquart CC6",
        "Dehyton PK 45",
    ),
    "tablets": (
        "API: Aceclofenac",
        "API: Stavudine",
        "Sodium stearyl fumarate",
        "Sucrose",
        "API: Ketorolac Tromethamine",
        "API: Losartan potassium",
        "API: Nateglinide",
        "API: Olanzapine",
        "API: Cetirizine Hydrochloride",
        "API: Fexofenadine Hydrochloride",
        "API: Gliclazide",
        "API: Nimesulide",
        "API: Ranitidine Hydrochloride",
        "API: Telmisartan",
        "API: metoprolol tartrate",
        "Citric acid",
        "Gum",
    ),
    "octane": (
        "C1CCCCC1",
        "CCCCC=C",
        "CCO",
        "Cc1ccccc1",
        "CC(C)CCCC=C",
    ),
}
WAYS = ("zero vector", "mean of all", "mean of same function", "free fit", "best stand-in", "forest retrained", "default", "default without trees")


def subset(data: FormulaSet, rows: np.ndarray) -> FormulaSet:
    """The formulas ``rows`` of ``data`` with their materials and measurements."""
    amounts = data.amounts[rows]
    used = np.unique(amounts.indices)
    place = np.full(len(data.formula_ids), -1)
    place[rows] = np.arange(len(rows))
    table = data.measurements.assign(formula=place[data.measurements["formula"]])
    table = table[table["formula"] >= 0].reset_index(drop=True)
    names = set(table["property"])
    return FormulaSet(
        data.name, tuple(data.formula_ids[row] for row in rows), tuple(data.materials[m] for m in used), csr_array(amounts[:, used]),
        table, data.material_info.iloc[used].reset_index(drop=True), tuple(p for p in data.properties if p.name in names),
    )  # fmt: skip


def held_out(data: FormulaSet, measured: np.ndarray, tune: bool) -> list[np.ndarray]:
    """Groups of materials that one training leaves out: their formulas hold no other material that goes with them."""
    present = data.amounts[measured].toarray() > 0
    counts = present.sum(axis=0)
    fitting = np.flatnonzero((counts > LEAST) & (counts <= COMMON * len(measured)))
    usable = [m for m in fitting if (data.materials[m] in TUNED[data.name]) == tune and _own(present, [m], m).sum() > LEAST]
    chosen = np.random.default_rng(0).permutation(usable)[:OF_A_SET]
    groups: list[list[int]] = []
    for material in chosen:
        for group in groups:
            joint = [*group, material]
            if len(group) < TOGETHER and all(_own(present, joint, m).sum() > LEAST for m in joint):
                group.append(int(material))
                break
        else:
            groups.append([int(material)])
    return [np.array(group) for group in groups]


def _own(present: np.ndarray, group: list[int], material: int) -> np.ndarray:
    """(R,) bool: formulas whose only unknown material is this one, where ``group`` did not train."""
    left = ~present[:, group].any(axis=1)
    unknown = ~present[left].any(axis=0)
    unknown[material] = False
    return present[:, material] & ~present[:, unknown].any(axis=1)


@dataclass(frozen=True, eq=False)
class Case:
    """One held-out material with its formulas, all measured: targets (R,), evidence, and what was seen of it."""

    name: str
    placer: Placer
    evidence: Evidence
    targets: np.ndarray
    same: np.ndarray

    def draws(self) -> Iterator[np.ndarray]:
        for number in range(DRAWS):
            yield np.random.default_rng([zlib.crc32(self.name.encode()), number]).permutation(len(self.targets))


def cases(data: FormulaSet, target: str, tune: bool, quick: bool, folder: Path) -> Iterator[Case]:
    """Train without each group, then hand out its materials."""
    measured = np.unique(data.measurements.loc[data.measurements["property"] == target, "formula"])
    present = data.amounts[measured].toarray() > 0
    changes = {"steps": 30, "hidden_width": 16, "members": 2} if quick else {}
    for group in held_out(data, measured, tune)[: 1 if quick else None]:
        path = folder / f"{data.name}-{zlib.crc32(repr([data.materials[m] for m in group]).encode()):08x}"
        if not path.exists():
            gone = present[:, group].any(axis=1)
            prepare(path, subset(data, measured[~gone]), from_recipe("default", property=target, train_share=0.95, **changes))
        if not (path / "model").is_dir():  # new, or killed before its end
            fit(Run(path))
        run = Run(path)
        placer = Placer(Asked(run, predictor_of(run)))
        for material in group:
            rows = measured[_own(present, list(group), int(material))]
            code = data.materials[material]
            random = np.random.default_rng(zlib.crc32(code.encode()))
            rows = np.sort(random.choice(rows, MOST, replace=False)) if len(rows) > MOST else rows
            yield _case(placer, subset(data, rows), code)


def _case(placer: Placer, new: FormulaSet, code: str) -> Case:
    data = placer.asked.run.data
    found = new_formulas(placer.asked, new)
    number = found.codes.index(code)
    alone = (found.unknown > 0).sum(axis=1) == 1  # a material of an evaluated formula alone did not train either
    amounts = np.column_stack([found.known.toarray(), found.unknown[:, number]])[alone]
    info = texts_of(found, number, list(data.material_info.columns))
    evidence = placer.evidence(amounts, found.conditions[alone], joined(data, csr_array(amounts), code, info), len(data.materials))
    function = info.get("function", "")
    same = (data.material_info["function"] == function).to_numpy() if function else np.zeros(len(data.materials), bool)
    same = same & (placer.support > 0)
    return Case(code, placer, evidence, placer.asked.targets(found.measured[alone]), same if same.any() else placer.support > 0)


def predictions(case: Case, rows: np.ndarray, draw: int) -> dict[str, np.ndarray]:
    """(R,) by every way, once the formulas ``rows`` were measured."""
    placer, evidence, known = case.placer, case.evidence, case.targets[rows]
    settled = evidence.settled(rows, known)
    vectors = placer.asked.predictor.vectors.astype(np.float64)
    trained = placer.support > 0
    return {
        "zero vector": _at(case, np.zeros(vectors.shape[::2])),
        "mean of all": _at(case, vectors[:, trained].mean(axis=1)),
        "mean of same function": _at(case, vectors[:, case.same].mean(axis=1)),
        "free fit": _at(case, np.stack([_fitted(case, rows, member) for member in range(len(vectors))])),
        "best stand-in": evidence.each[np.square(evidence.each[:, rows] - known).sum(axis=1).argmin()],
        "forest retrained": _forest(case, rows, draw),
        "default": placer.predicted(evidence, settled, rows, known),
        "default without trees": settled.mean,
    }


def _at(case: Case, vectors: np.ndarray) -> np.ndarray:
    """(R,) the mean prediction of the networks with (1 + K, N) ``vectors`` for the new material."""
    from matrep_core.model.layout import AMOUNT_UNIT
    from matrep_core.model.predicting import regress

    predictor, amounts = case.placer.asked.predictor, case.evidence.amounts
    beside = np.zeros((len(amounts), predictor.layout.conditions))
    found = [
        regress(np.concatenate([AMOUNT_UNIT * (amounts @ np.vstack([each, own])), beside], axis=1), flat, predictor.layout, predictor.activation)
        for each, flat, own in zip(predictor.vectors, predictor.regressors, vectors, strict=True)
    ]
    return np.mean(found, axis=0)


def _fitted(case: Case, rows: np.ndarray, member: int) -> np.ndarray:
    """(N,) the likeliest vector for one member under a Gaussian prior over all trained vectors."""
    asked, trained = case.placer.asked, case.placer.support > 0
    one = replace(asked.predictor, vectors=asked.predictor.vectors[[member]], regressors=asked.predictor.regressors[[member]])
    vectors = one.vectors[0][trained].astype(np.float64)
    prior = prior_region(vectors, np.full(len(vectors), 1 / len(vectors)))
    conditions = asked.conditions(None, len(rows))
    return posterior(Asked(asked.run, one), prior, case.evidence.amounts[rows], conditions, case.targets[rows], np.full(len(rows), 0.3)).mean


def _forest(case: Case, rows: np.ndarray, draw: int) -> np.ndarray:
    from sklearn.ensemble import RandomForestRegressor

    known, targets = case.placer.training()
    inputs = np.vstack([known, case.evidence.amounts[rows]])
    model = RandomForestRegressor(60, random_state=draw).fit(inputs, np.concatenate([targets, case.targets[rows]]))
    return model.predict(case.evidence.amounts)


def measure(folder: Path | None, out: Path | None, *, tune: bool = False, quick: bool = False) -> None:
    """Print the table of errors and the table of coverage, as Markdown."""
    head = f"| set (materials) | k | {' | '.join(WAYS)} | best of the others |"
    lines, covered = [head, "|" + " --- |" * (3 + len(WAYS))], ["| set (materials) | k | nominal 80 % | nominal 95 % |", "|" + " --- |" * 4]
    with tempfile.TemporaryDirectory() as temporary:
        place = out or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        for data, target in real_sets(folder):
            errors: dict[tuple[int, str], list[float]] = {}
            held: dict[int, list[list[float]]] = {}  # DRAWS rows a material
            count = 0
            for case in cases(data, target, tune, quick, place):
                count += 1
                print(f"{data.name}: {case.name}", file=sys.stderr, flush=True)
                _judge(case, errors, held)
            for k in KS:
                mean = {way: float(np.mean(errors[k, way])) for way in WAYS}
                best = min((way for way in WAYS if not way.startswith("default")), key=lambda way: mean[way])
                verdict = f"{best}, {mean['default'] / mean[best] - 1:+.0%}"
                lines.append(f"| {data.name} ({count}) | {k} | " + " | ".join(f"{mean[way]:.3f}" for way in WAYS) + f" | {verdict} |")
            for k in (0, *KS):
                each = np.reshape(held[k], (count, DRAWS, 2)).mean(axis=1)
                noise = each.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(2, np.nan)
                shown = " | ".join(f"{mean:.1%} ± {100 * one:.1f}" for mean, one in zip(each.mean(axis=0), noise, strict=True))
                covered.append(f"| {data.name} ({count}) | {k} | {shown} |")
            print("\n".join([*lines[-3:], *covered[-4:]]), file=sys.stderr, flush=True)
    print("\n".join([*lines, "", *covered]))


def _judge(case: Case, errors: dict[tuple[int, str], list[float]], held: dict[int, list[list[float]]]) -> None:
    for draw, order in enumerate(case.draws()):
        rest = order[max(KS) :]
        for k in (0, *KS):
            rows = order[:k]
            settled = case.evidence.settled(rows, case.targets[rows])
            value = case.placer.predicted(case.evidence, settled, rows, case.targets[rows])
            widths = case.placer.quantiles(case.evidence, rows, case.targets[rows])
            away = np.abs(value - case.targets)[rest] / np.sqrt(settled.variance[rest])
            held.setdefault(k, []).append([float((away <= width).mean()) for width in widths])
            if k:
                for way, each in predictions(case, rows, draw).items():
                    error = float(np.sqrt(np.square(each - case.targets)[rest].mean()))
                    errors.setdefault((k, way), []).append(error)
