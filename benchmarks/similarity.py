"""How well each ranking finds materials that act alike, on sets whose truth is known.

Two questions. Function: of the 10 first, how many have the query's function (precision@10), over materials with at
least 5 uses, the functions hidden from the ranking. Twins: one material is split at random into two codes, formula by
formula, with at least 10 uses each; at which rank does the one name the other, among all materials.

The weights were chosen with ``--first 100``; what docs/SIMILARITY.md reports is ``--first 0``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.errors import NotThere
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.octane import read_octane
from matrep_core.formulas.reading import ReadingOptions, read_data
from matrep_core.formulas.schema import FormulaSet
from matrep_core.settings import from_recipe
from matrep_core.similarity.evidence import similarity_of
from matrep_core.similarity.functions import multi_hot
from matrep_core.similarity.profiles import co_use
from matrep_core.similarity.ranking import Similarity
from matrep_core.similarity.reliability import USUAL
from matrep_core.training import fit, prepare
from matrep_core.views.neighbours import Points

FEWEST_USES = 5  # of a material that is asked for and may be named, where functions are counted
TWIN_USES = 10  # of each of the two
MOST_TWINS = 40
NAMED = 10
FUSED = "by = fused, functions hidden"

Ranking = Callable[[int, np.ndarray], np.ndarray]  # query, (M,) bool who may be named -> materials, nearest first


@dataclass(frozen=True, eq=False)
class Known:
    """A set with its truth: (M, functions) or None, and (P, 2) planted twins."""

    name: str
    plain: FormulaSet
    planted: FormulaSet
    twins: np.ndarray


def plant_twins(data: FormulaSet, seed: int, uses: int = TWIN_USES, most: int = MOST_TWINS) -> tuple[FormulaSet, np.ndarray]:
    """Split up to ``most`` materials with at least 2 × ``uses`` uses into two codes, each formula to one of them by lot.

    Returns the set and (P, 2) the rows of each pair. Materials in more than half of the formulas are left whole.
    """
    random = np.random.default_rng(seed)
    able = np.flatnonzero((data.support >= 2 * uses) & (data.support <= len(data.formula_ids) / 2))
    chosen = np.sort(random.permutation(able)[:most])
    codes = np.array([*data.materials, *(f"{data.materials[i]} (twin)" for i in chosen)], dtype=object)
    cells = data.amounts.tocoo()
    column = cells.col.astype(np.int64)
    for place, material in enumerate(chosen, len(data.materials)):
        of_it = random.permutation(np.flatnonzero(cells.col == material))
        column[of_it[: len(of_it) // 2]] = place
    order = np.argsort(codes, kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    amounts = csr_array((cells.data, (cells.row, position[column])), shape=(len(data.formula_ids), len(codes)))
    amounts.sort_indices()
    info = pd.concat([data.material_info, data.material_info.iloc[chosen]], ignore_index=True).iloc[order]
    planted = replace(data, amounts=amounts, materials=tuple(codes[order]), material_info=info.reset_index(drop=True))
    return planted, np.column_stack([position[chosen], position[len(data.materials) :]])


def rankings(similarity: Similarity) -> dict[str, Ranking]:
    """The rankings that are compared. None sees a function."""

    def nearest(points: Points) -> Ranking:
        return lambda query, among: points.nearest(query, min(1_000, len(among)), among).indices

    def fused(similarity: Similarity) -> Ranking:
        return lambda query, among: similarity.neighbours(query, min(1_000, len(among)), among=among, functions=False).indices

    main, data = similarity.ensemble.members[0], similarity.data
    no_swaps = Similarity(data, similarity.parts, similarity.ensemble, replace(similarity.weights, swaps=0))
    usual = Similarity(data, similarity.parts, similarity.ensemble)
    usual.reliability = USUAL
    return {
        "learned vectors of one run, cosine": nearest(Points(main.vectors, "cosine")),
        "learned vectors of one run, Euclidean": nearest(Points(main.vectors, "euclidean")),
        "PPMI + SVD of co-use, 50 entries": nearest(Points(co_use(data, 50, 0.75), "cosine")),
        "PPMI + SVD of co-use, 5 entries": nearest(Points(co_use(data, 5, 0.75), "cosine")),
        "by = code: learned vectors, all members": nearest(similarity.points("code", "cosine")),
        "histogram of amounts": nearest(Points(similarity.amounts, "euclidean")),
        "by = profile: amounts and co-use": nearest(similarity.points("profile")),
        FUSED: fused(similarity),
        "fused without swaps": fused(no_swaps),
        "fused, parts weighed as in generated sets": fused(usual),
    }


def precision(similarity: Similarity, ranking: Ranking, most: int) -> float:
    """Precision@10 of function over at most ``most`` materials, drawn once a set."""
    queries, among, functions = _asked(similarity.data, most)
    if ranking is None:
        return chance(similarity.data)
    shares = []
    for query in queries:
        named = ranking(int(query), among)[:NAMED]
        shares.append(float((functions[named] == functions[query]).mean()))
    return float(np.mean(shares))


def _asked(data: FormulaSet, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries, who may be named, and (M,) the first function of each material ("" = unknown)."""
    matrix, names = multi_hot(data)
    functions = np.array([names[row.argmax()] if row.any() else "" for row in matrix.toarray()], dtype=object)
    among = (data.support >= FEWEST_USES) & (functions != "")
    queries = np.flatnonzero(among)
    if len(queries) > most:
        queries = np.sort(np.random.default_rng(0).choice(queries, most, replace=False))
    return queries, among, functions


def chance(data: FormulaSet, most: int = 10**9) -> float:
    """The precision@10 of naming at random."""
    queries, among, functions = _asked(data, most)
    counts = pd.Series(functions[among]).value_counts()
    return float(np.mean([(counts[functions[query]] - 1) / (among.sum() - 1) for query in queries]))


def twin_ranks(similarity: Similarity, ranking: Ranking, twins: np.ndarray) -> np.ndarray:
    """(2 P,) the rank at which each of a pair names the other, among all materials; 1,001 where it is beyond 1,000."""
    among = np.ones(len(similarity.data.materials), bool)
    ranks = []
    for query, other in np.concatenate([twins, twins[:, ::-1]]):
        place = np.flatnonzero(ranking(int(query), among) == other)
        ranks.append(int(place[0]) + 1 if len(place) else 1_001)
    return np.array(ranks)


def trained(data: FormulaSet, seed: int, folder: str, steps: int) -> Similarity:
    """A run at the default settings, with its members; without trees and kernel, which change no vector."""
    settings = from_recipe("default", property=data.properties[0].name, seed=seed, steps=steps, blend="no")
    run = prepare(Path(tempfile.mkdtemp(dir=folder)) / "run", data, settings)
    fit(run)
    return similarity_of(run)


def sets(folder: Path | None, quick: bool) -> Iterator[tuple[str, Callable[[int], FormulaSet], bool]]:
    """Name, the set of a seed, and whether its functions are known."""
    size = {"formulas": 150, "materials": 600} if quick else {}
    yield "Generated cosmetics", lambda seed: generate_cosmetics(seed=seed, **size).data, True
    if quick:
        return
    try:
        octane = read_octane()
        yield f"{octane.name}, classes of molecules from their SMILES", lambda seed: octane, True
    except NotThere as error:
        print(error)
    for each in sorted(path for path in folder.iterdir() if path.is_dir()) if folder else []:
        data = read_data([each], ReadingOptions(rescale=True)).data
        if each.name != "octane":
            yield data.name, lambda seed, data=data: data, bool(multi_hot(data)[1])
    yield "Generated cosmetics without the formulas that vary another one", _without_variants, False


def _without_variants(seed: int) -> FormulaSet:
    made = generate_cosmetics(seed=seed)
    kept = np.flatnonzero(made.truth.parents == np.arange(len(made.truth.parents)))
    amounts = made.data.amounts[kept]
    used = np.flatnonzero(np.bincount(amounts.indices, minlength=amounts.shape[1]))
    place = pd.Series(np.arange(len(kept)), index=kept)
    measured = made.data.measurements[made.data.measurements["formula"].isin(kept)].copy()
    measured["formula"] = place[measured["formula"]].to_numpy()
    return replace(
        made.data, formula_ids=tuple(made.data.formula_ids[f] for f in kept), amounts=csr_array(amounts[:, used]),
        materials=tuple(made.data.materials[m] for m in used), measurements=measured.reset_index(drop=True),
        material_info=made.data.material_info.iloc[used].reset_index(drop=True),
    )  # fmt: skip


def measure(folder: Path | None, first: int, seeds: int, most: int, only: str, *, quick: bool = False) -> None:
    """Print, for each set, a row a ranking: precision@10 of function and the rank of planted twins."""
    for name, of_seed, functions in sets(folder, quick):
        if only.casefold() not in name.casefold():
            continue
        print(f"\n{name}: {seeds} seeds from {first} on, default settings", flush=True)
        found: dict[str, list[tuple[float, np.ndarray]]] = {}
        chances = []
        with tempfile.TemporaryDirectory() as temporary:
            for seed in range(first, first + seeds):
                data = of_seed(seed)
                planted, twins = plant_twins(data, seed)
                steps = 60 if quick else 0
                plain = trained(data, seed, temporary, steps) if functions else None
                split = trained(planted, seed, temporary, steps) if len(twins) else None
                chances.append(chance(data, most) if functions else np.nan)
                asked = {each: rankings(each) for each in (plain, split) if each}
                for kind in next(iter(asked.values()), {}):
                    share = precision(plain, asked[plain][kind], most) if plain else np.nan
                    ranks = twin_ranks(split, asked[split][kind], twins) if split else np.array([])
                    found.setdefault(kind, []).append((share, ranks))
        _print(found, chances, len(data.materials))


def _print(found: dict[str, list[tuple[float, np.ndarray]]], chances: list[float], materials: int) -> None:
    pairs = sum(len(ranks) for _, ranks in next(iter(found.values()), [])) // 2
    print(f"  {'':42} {'precision@10':>16}   {'twins: median rank':>18} {'1st to 3rd':>11}   ({pairs} pairs)")
    print(f"  {'chance':42} {_mean(np.array(chances)):>16}   {materials // 2:>18,} {3 / materials:>11.1%}")
    table = {kind: np.array([share for share, _ in rows]) for kind, rows in found.items()}
    for kind, rows in found.items():
        ranks = np.concatenate([ranks for _, ranks in rows])
        median = "–" if not len(ranks) else f"{np.median(ranks):g}" if np.median(ranks) <= 1_000 else "> 1,000"
        top = f"{(ranks <= 3).mean():.0%}" if len(ranks) else "–"
        print(f"  {kind:42} {_mean(table[kind]):>16}   {median:>18} {top:>11}", flush=True)
    fused = table.get(FUSED, np.array([np.nan]))
    for kind, shares in table.items():
        if kind.startswith(("learned", "PPMI")) and np.isfinite(fused).all():
            gain = fused - shares
            print(f"  fused minus {kind}: {_mean(gain)}, least {gain.min():+.3f}")


def _mean(values: np.ndarray) -> str:
    if not np.isfinite(values).all():
        return "–"
    return f"{values.mean():.3f} ± {values.std(ddof=1) if len(values) > 1 else np.nan:.3f}"
