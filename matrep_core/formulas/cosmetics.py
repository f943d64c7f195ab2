"""The generated cosmetics: a laboratory's formulas from a seed, with a hidden truth to score recovery against.

No real formula is behind it. The default has the size and shape of a real collection: 1,745 formulas of
15 to 61 materials out of 5,485, most of which occur a few times. How a formula comes about:

1. An archetype (cream, gel, shampoo …) says which kinds of material occur, how many of each, and how much
   of each kind in total (``ARCHETYPES``).
2. Within a kind, use is long-tailed: every material occurs at least once, further uses follow a power
   law of the material's rank.
3. A kind's total is shared among its materials at random, more to the common ones and less to strong
   thickeners. Amounts have 3 significant digits and steps of 0.0001 weight-%; water (in a balm an oil)
   completes to exactly 100.
4. One formula in five is a variant: the materials of an earlier formula in other amounts.
5. ``cosmetics_truth`` turns the mixture into viscosity, pH, hardness and density.

Twins are pairs of materials of one INCI name from two suppliers, whose effects differ by about 1 %.

How much can be learned (random 70/30 split, seeds 0 to 3, R² of log10 viscosity on the evaluated
formulas): 0.5 to 0.6 for ridge and 0.6 to 0.7 for a random forest on log amounts, 0.85 to 0.9 for a
random forest that is told the total of each kind, 0.97 for one that is told the true mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.errors import SettingRefused
from matrep_core.formulas.cosmetics_names import SUPPLIERS, names
from matrep_core.formulas.cosmetics_truth import (
    DENSITY_RANGE,
    EFFECTS,
    KINDS,
    PH_RANGE,
    VISCOSITY_RANGE,
    draw_effects,
    noise_free,
)
from matrep_core.formulas.schema import FormulaSet, Property
from matrep_core.limits import Bound

FORMULAS = Bound(100, 200_000)
MATERIALS = Bound(500, 600_000)
FEWEST, MOST = 15, 61  # materials in a formula

VARIANT_SHARE = 0.2
TWINS_AT_MOST = 40
TWIN_KINDS = ("thickener", "emulsifier", "wax", "surfactant", "emollient", "solvent")
TWIN_RANKS = (2, 18)  # ranks of use among which twins are planted: common, but not the commonest
LOOK_ALIKE_SHARE = 0.004  # codes that a spreadsheet would take for a number
UNITS = 10_000  # of 0.0001 in one weight-%

PROPERTIES = (
    Property("viscosity", "mPa·s", "log"),
    Property("pH", "", "linear"),
    Property("hardness", "g", "log"),
    Property("density", "g/cm3", "linear"),
)


@dataclass(frozen=True)
class Archetype:
    """A type of product: kind -> (always this many, weight for further ones, median total in weight-%)."""

    code: str
    share: float
    water: bool
    kinds: dict[str, tuple[int, float, float]]


_SMALL = {  # in every product: what preserves, scents, colours and sells, and hardly thickens
    "preservative": (1, 1.5, 0.9), "antioxidant": (0, 1.5, 0.3), "active": (1, 6.0, 2.0), "fragrance": (0, 3.0, 0.5),
    "colorant": (0, 0.8, 0.05),
}  # fmt: skip
_ADJUST = {"base": (0, 0.6, 0.8), "acid": (0, 0.5, 0.6), "chelating agent": (0, 0.6, 0.1)}

ARCHETYPES: dict[str, Archetype] = {
    "cream": Archetype("CRM", 0.24, True, {
        **_SMALL, **_ADJUST, "emollient": (2, 5.0, 14), "wax": (1, 1.2, 4.5), "silicone": (0, 1.2, 2),
        "emulsifier": (2, 1.5, 4.5), "thickener": (1, 0.6, 1.4), "humectant": (1, 2.0, 6), "solvent": (0, 0.6, 2),
    }),
    "lotion": Archetype("LOT", 0.18, True, {
        **_SMALL, **_ADJUST, "emollient": (2, 4.0, 9), "wax": (0, 0.6, 1.2), "silicone": (0, 1.2, 2),
        "emulsifier": (1, 1.5, 2.5), "thickener": (1, 0.4, 0.9), "humectant": (1, 2.0, 5), "solvent": (0, 1.0, 3),
    }),
    "gel": Archetype("GEL", 0.12, True, {
        **_SMALL, **_ADJUST, "base": (1, 0.3, 1.5), "thickener": (1, 0.8, 3.2), "humectant": (1, 2.5, 5),
        "solvent": (1, 1.5, 7), "emulsifier": (0, 0.4, 0.6), "electrolyte": (0, 0.15, 0.3), "silicone": (0, 0.4, 1),
    }),
    "serum": Archetype("SER", 0.12, True, {
        **_SMALL, **_ADJUST, "thickener": (1, 0.4, 0.8), "humectant": (2, 3.5, 8), "solvent": (1, 1.5, 6),
        "emollient": (0, 1.0, 2), "silicone": (0, 0.8, 2), "emulsifier": (0, 0.6, 0.6),
    }),
    "shampoo": Archetype("SHA", 0.13, True, {
        **_SMALL, **_ADJUST, "acid": (1, 0.3, 0.6), "surfactant": (2, 3.0, 15), "electrolyte": (1, 0.2, 0.9),
        "silicone": (0, 0.8, 1), "humectant": (0, 1.0, 2), "thickener": (0, 0.3, 0.8), "emulsifier": (0, 0.4, 0.8),
    }),
    "cleanser": Archetype("CLE", 0.08, True, {
        **_SMALL, **_ADJUST, "surfactant": (2, 2.5, 9), "electrolyte": (0, 0.4, 0.7), "humectant": (1, 1.5, 5),
        "thickener": (0, 0.8, 1.6), "emulsifier": (0, 0.6, 1), "emollient": (0, 0.6, 1),
    }),
    "sunscreen": Archetype("SUN", 0.07, True, {
        **_SMALL, **_ADJUST, "UV filter": (3, 4.0, 16), "emollient": (2, 3.0, 10), "wax": (0, 0.7, 1.5),
        "silicone": (1, 1.5, 3), "emulsifier": (2, 1.2, 4), "thickener": (1, 0.5, 1.2), "humectant": (1, 1.0, 4),
        "solvent": (0, 1.0, 4),
    }),
    "balm": Archetype("BLM", 0.06, False, {
        **_SMALL, "emollient": (4, 6.0, 35), "wax": (2, 2.5, 24), "silicone": (0, 0.8, 3), "emulsifier": (0, 0.7, 2),
    }),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Truth:
    """What generated the data and no model may see; rows in the order of the FormulaSet.

    kinds:      M names of cosmetics_truth.KINDS
    functions:  M texts, as in ``material_info``
    effects:    (M, K) float64, columns ``cosmetics_truth.EFFECTS``, per weight-%
    twins:      (P, 2) int64 rows of materials that are the same raw material from two suppliers
    archetypes: F names of ARCHETYPES
    parents:    (F,) int64 row of the formula that a variant came from, its own row otherwise
    properties: property name -> (F,) values without noise, also where nothing was measured
    """

    kinds: tuple[str, ...]
    functions: tuple[str, ...]
    effects: np.ndarray
    twins: np.ndarray
    archetypes: tuple[str, ...]
    parents: np.ndarray
    properties: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Cosmetics:
    data: FormulaSet
    truth: Truth


def generate_cosmetics(seed: int = 0, formulas: int = 1_745, materials: int = 5_485) -> Cosmetics:
    """The generated set of that size; the same arguments give the same set, down to the last digit.

    Raises SettingRefused for a size outside its bound, and for more materials than the formulas have
    room for (all of them must occur).
    """
    Bound(0, 2**31 - 1).check("seed", seed)
    FORMULAS.check("formulas", formulas)
    MATERIALS.check("materials", materials)
    rng = np.random.default_rng(seed)

    catalogue = _catalogue(materials, rng)
    recipes = _recipes(formulas, catalogue, rng)
    amounts = _amounts(recipes, catalogue, rng)
    return _as_formula_set(seed, catalogue, recipes, amounts, rng)


# Materials ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Catalogue:
    """M materials, kind after kind, the commonest of each kind first."""

    kind: np.ndarray  # (M,) position in KINDS
    first: np.ndarray  # (kinds + 1,) where each kind begins
    effects: np.ndarray  # (M, K)
    twins: np.ndarray  # (P, 2)
    info: pd.DataFrame  # M rows: material (the code), inci, function, supplier, price_per_kg


def _catalogue(materials: int, rng: np.random.Generator) -> _Catalogue:
    share = np.array([kind.share for kind in KINDS.values()])
    exact = share / share.sum() * (materials - 1)
    sizes = np.floor(exact).astype(np.int64)
    sizes[np.argsort(sizes - exact, kind="stable")[: materials - 1 - sizes.sum()]] += 1
    sizes[list(KINDS).index("water")] = 1
    first = np.concatenate([[0], np.cumsum(sizes)])
    kind = np.repeat(np.arange(len(KINDS)), sizes)

    effects = np.concatenate([draw_effects(name, size, rng) for name, size in zip(KINDS, sizes)])
    inci = np.concatenate([np.array(names(name, size, rng), dtype=object) for name, size in zip(KINDS, sizes)])
    supplier = rng.integers(0, len(SUPPLIERS), materials)
    price = np.array([k.price for k in KINDS.values()])[kind] * np.exp(0.6 * rng.standard_normal(materials))
    twins = _twins(first, rng)
    original, copy = twins.T
    effects[copy] = effects[original] * np.exp(0.01 * rng.standard_normal((len(twins), len(EFFECTS))))
    inci[copy] = inci[original]
    supplier[copy] = (supplier[original] + rng.integers(1, len(SUPPLIERS), len(twins))) % len(SUPPLIERS)
    price[copy] = price[original] * np.exp(0.15 * rng.standard_normal(len(twins)))

    info = pd.DataFrame(
        {
            "material": _codes(sizes, rng),
            "inci": inci,
            "function": np.array([k.function for k in KINDS.values()], dtype=object)[kind],
            "supplier": np.array(SUPPLIERS, dtype=object)[supplier],
            "price_per_kg": [f"{p:.2f}" for p in price],
        },
        dtype="str",
    )
    return _Catalogue(kind, first, effects, twins, info)


def _twins(first: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(P, 2) materials of one kind at neighbouring ranks of use, no material twice."""
    low, high = TWIN_RANKS
    pairs = []
    for name in TWIN_KINDS:
        start, stop = first[list(KINDS).index(name) :][:2]
        ranks = np.arange(start + low, min(start + high, stop) - 1, 2)
        pairs.append(np.column_stack([ranks, ranks + 1]))
    every = np.concatenate(pairs)
    return every[np.sort(rng.permutation(len(every))[:TWINS_AT_MOST])]


def _codes(sizes: np.ndarray, rng: np.random.Generator) -> list[str]:
    """M different codes; a few look like numbers, as codes of real laboratories do (00123, 1E5)."""
    codes: list[str] = []
    for kind, size in zip(KINDS.values(), sizes):
        last = int(1.3 * size) + 1
        numbers = rng.permutation(last)[:size] + 1
        codes += [f"{kind.code}{number:0{max(2, len(str(last)))}d}" for number in numbers]
    count = min(int(LOOK_ALIKE_SHARE * len(codes)), 100)
    look_alikes = [f"{n:05d}" for n in rng.choice(np.arange(100, 1000), count - count // 2, replace=False)]
    look_alikes += [f"{n // 90 + 1}E{n % 90 + 10}" for n in rng.choice(810, count // 2, replace=False)]
    for position, code in zip(rng.choice(len(codes), count, replace=False), look_alikes):
        codes[position] = code
    return codes


# Formulas -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Recipes:
    """F formulas and their S slots (one material of one formula), formula after formula."""

    archetype: np.ndarray  # (F,) position in ARCHETYPES
    parent: np.ndarray  # (F,) own row, or the row of the formula that this one varies
    formula: np.ndarray  # (S,) sorted
    material: np.ndarray  # (S,) row of the catalogue
    filler: np.ndarray  # (S,) bool, one slot a formula: the material that completes to 100


def _recipes(formulas: int, catalogue: _Catalogue, rng: np.random.Generator) -> _Recipes:
    originals = formulas - int(VARIANT_SHARE * formulas)
    bounds = np.rint(np.cumsum([a.share for a in ARCHETYPES.values()]) * originals).astype(np.int64)
    archetype = rng.permutation(np.searchsorted(bounds, np.arange(originals), side="right"))
    counts = _slot_counts(archetype, np.diff(catalogue.first), rng)  # (originals, kinds)
    formula, material = _fill_slots(counts, catalogue.first, rng)

    # Variants stand directly after the formula that they vary.
    copies = 1 + np.bincount(rng.integers(0, originals, formulas - originals), minlength=originals)
    source = np.repeat(np.arange(originals), copies)  # (F,)
    parent = np.repeat(np.cumsum(copies) - copies, copies)
    length = counts.sum(axis=1)
    slots = _ranges((np.cumsum(length) - length)[source], length[source])
    of_formula = np.repeat(np.arange(formulas), length[source])
    material = material[slots]

    # Water sorts first where there is any, an emollient of a balm otherwise.
    wet = np.array([a.water for a in ARCHETYPES.values()])[archetype[source]]
    fills = np.where(wet[of_formula], list(KINDS).index("water"), list(KINDS).index("emollient"))
    can_fill = np.flatnonzero(catalogue.kind[material] == fills)
    filler = np.zeros(len(slots), dtype=bool)
    filler[can_fill[np.unique(of_formula[can_fill], return_index=True)[1]]] = True
    return _Recipes(archetype[source], parent, of_formula, material, filler)


def _slot_counts(archetype: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(originals, kinds) how many materials of each kind; 15 to 61 in a formula, about 30 at the median."""
    kinds = list(KINDS)
    total = np.clip(np.rint(np.exp(np.log(29) + 0.34 * rng.standard_normal(len(archetype)))), FEWEST, MOST).astype(int)
    counts = np.zeros((len(archetype), len(kinds)), dtype=np.int64)
    for position, each in enumerate(ARCHETYPES.values()):
        rows = np.flatnonzero(archetype == position)
        always, weight = np.zeros(len(kinds), dtype=np.int64), np.zeros(len(kinds))
        always[kinds.index("water")] = each.water
        for name, (least, further, _) in each.kinds.items():
            always[kinds.index(name)], weight[kinds.index(name)] = least, further
        counts[rows] = always + rng.multinomial(total[rows] - always.sum(), weight / weight.sum())
    # A small catalogue must not run out of a kind within one formula; actives take the place.
    capped = np.minimum(counts, np.maximum(1, sizes // 2))
    capped[:, kinds.index("active")] += (counts - capped).sum(axis=1)
    return capped


def _fill_slots(counts: np.ndarray, first: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Formula and material of every slot, ordered by formula and then by kind."""
    room = counts.sum(axis=0)
    sizes = np.diff(first)
    if np.any(room < sizes):
        most = int(first[-1] * (room / sizes).min())
        raise SettingRefused(
            "materials", int(first[-1]), f"so many cannot all occur; choose at most {most}, or more formulas."
        )
    formula, material = [], []
    for kind, (start, size, each) in enumerate(zip(first, sizes, KINDS.values())):
        slot_formula = np.repeat(np.arange(len(counts)), counts[:, kind])
        uses = _long_tail(len(slot_formula), size, int(np.count_nonzero(counts[:, kind])), each.tail, rng)
        formula.append(slot_formula)
        material.append(start + _deal(slot_formula, uses, rng))
    formula_of, material_of = np.concatenate(formula), np.concatenate(material)
    order = np.argsort(formula_of, kind="stable")
    return formula_of[order], material_of[order]


def _long_tail(slots: int, size: int, formulas: int, tail: float, rng: np.random.Generator) -> np.ndarray:
    """(size,) uses of each material: at least 1, falling with rank, none in much more than half of the formulas."""
    if size == 1:
        return np.array([slots])
    weight = (np.arange(size) + 1.5) ** -tail
    cap = max(int(0.55 * formulas), -(-2 * slots // size))
    uses = np.ones(size, dtype=np.int64)
    while (left := slots - uses.sum()) > 0:
        open_weight = np.where(uses < cap, weight, 0)
        uses = np.minimum(uses + rng.multinomial(left, open_weight / open_weight.sum()), cap)
    return uses


def _deal(formula: np.ndarray, uses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S,) a material for every slot, each as often as ``uses`` says and never twice in a formula."""
    size = len(uses)
    material = rng.permutation(np.repeat(np.arange(size), uses))
    for _ in range(1_000):
        keys = formula * size + material
        order = np.argsort(keys, kind="stable")
        present = keys[order]
        repeated = order[1:][np.diff(present) == 0]
        if not len(repeated):
            return material
        # Swap each repeated slot with another one, wherever neither formula then holds a material twice.
        other = rng.choice(len(formula), len(repeated), replace=False)
        fits = ~np.isin(other, repeated)
        for wanted in (formula[repeated] * size + material[other], formula[other] * size + material[repeated]):
            fits &= present[np.minimum(np.searchsorted(present, wanted), len(present) - 1)] != wanted
        here, there = repeated[fits], other[fits]
        material[here], material[there] = material[there], material[here]
    raise RuntimeError("the materials of one kind could not be dealt without repeats")


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers start … start + length - 1 of every pair, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)


# Amounts ------------------------------------------------------------------------------------------


def _amounts(recipes: _Recipes, catalogue: _Catalogue, rng: np.random.Generator) -> np.ndarray:
    """(S,) weight-%, whole multiples of 0.0001 that sum to 100 in every formula."""
    kinds = list(KINDS)
    median = np.ones((len(ARCHETYPES), len(kinds)))
    for row, each in enumerate(ARCHETYPES.values()):
        for name, (_, _, total) in each.kinds.items():
            median[row, kinds.index(name)] = total
    # Each formula's total of each kind, then its share for each material.
    shape = (len(recipes.archetype), len(kinds))
    total = median[recipes.archetype] * np.exp(0.4 * rng.standard_normal(shape))
    total = total[recipes.parent] * np.exp(0.15 * rng.standard_normal(shape))
    kind = catalogue.kind[recipes.material]
    dose = np.ones(len(catalogue.kind))
    thickeners = catalogue.kind == kinds.index("thickener")
    dose[thickeners] = catalogue.effects[thickeners, EFFECTS.index("thickening")] ** -0.6
    dose *= np.bincount(recipes.material, minlength=len(dose)) ** 0.4
    weight = dose[recipes.material] * np.exp(0.7 * rng.standard_normal(len(kind)))
    group = recipes.formula * len(kinds) + kind
    raw = total.ravel()[group] * weight / np.bincount(group, weight, minlength=total.size)[group]

    others = ~recipes.filler
    sums = np.bincount(recipes.formula[others], raw[others])
    raw *= np.minimum(1, 85 / sums)[recipes.formula]
    units = np.maximum(1, np.rint(_significant(raw, 3) * UNITS)).astype(np.int64)
    units[recipes.filler] = 100 * UNITS - np.bincount(recipes.formula[others], units[others]).astype(np.int64)
    return units / UNITS


def _significant(values: np.ndarray, digits: int) -> np.ndarray:
    """Positive values rounded to that many significant digits."""
    step = 10.0 ** (digits - 1 - np.floor(np.log10(values)))
    return np.rint(values * step) / step


# Assembly -----------------------------------------------------------------------------------------


def _as_formula_set(
    seed: int, catalogue: _Catalogue, recipes: _Recipes, amounts: np.ndarray, rng: np.random.Generator
) -> Cosmetics:
    order = np.argsort(catalogue.info["material"].to_numpy(str), kind="stable")  # by code
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    starts = np.searchsorted(recipes.formula, np.arange(len(recipes.archetype) + 1))
    columns = position[recipes.material].astype(np.int32)  # int32 indices, as scikit-learn's trees ask for
    matrix = csr_array((amounts, columns, starts.astype(np.int32)), shape=(len(recipes.archetype), len(order)))
    matrix.sort_indices()
    effects = catalogue.effects[order]
    kinds = tuple(np.array(list(KINDS), dtype=object)[catalogue.kind[order]])
    archetypes = tuple(np.array(list(ARCHETYPES), dtype=object)[recipes.archetype])
    info = catalogue.info.iloc[order].reset_index(drop=True)

    truth = Truth(
        kinds=kinds,
        functions=tuple(info["function"]),
        effects=effects,
        twins=np.sort(position[catalogue.twins], axis=1),
        archetypes=archetypes,
        parents=recipes.parent,
        properties=noise_free(matrix, effects),
    )
    measurements = _measurements(truth, rng)
    by_name = {each.name: each for each in PROPERTIES}
    data = FormulaSet(
        name=f"Generated cosmetics, seed {seed}",
        formula_ids=_formula_ids(recipes),
        materials=tuple(info["material"]),
        amounts=matrix,
        measurements=measurements,
        material_info=info.drop(columns="material"),
        properties=tuple(by_name[name] for name in measurements["property"].unique()),
    )
    return Cosmetics(data, truth)


def _formula_ids(recipes: _Recipes) -> tuple[str, ...]:
    """CRM-0012 for a formula, CRM-0012-2 for its second version."""
    number = np.cumsum(recipes.parent == np.arange(len(recipes.parent)))
    version = np.arange(len(recipes.parent)) - recipes.parent + 1
    width = max(4, len(str(number[-1])))
    codes = [a.code for a in ARCHETYPES.values()]
    return tuple(
        f"{codes[a]}-{n:0{width}d}" + (f"-{v}" if v > 1 else "") for a, n, v in zip(recipes.archetype, number, version)
    )


def _measurements(truth: Truth, rng: np.random.Generator) -> pd.DataFrame:
    """Noise, the instrument's range and rounding; viscosity of every formula, the others of a part."""
    archetype = np.array(truth.archetypes)
    count = len(archetype)
    share = rng.random((len(PROPERTIES), count))
    measured = {
        "viscosity": np.ones(count, dtype=bool),
        "pH": (archetype != "balm") & (share[1] < 0.75),
        "hardness": (archetype == "balm") | ((archetype == "cream") & (share[2] < 0.3)),
        "density": share[3] < 0.55,
    }
    tables = []
    for each in PROPERTIES:
        rows = np.flatnonzero(measured[each.name])
        values = _measure(each.name, truth.properties[each.name][rows], rng.standard_normal(len(rows)))
        tables.append(pd.DataFrame({"formula": rows, "property": each.name, "value": values, "unit": each.unit}))
    return pd.concat(tables).sort_values("formula", kind="stable", ignore_index=True)


def _measure(name: str, exact: np.ndarray, z: np.ndarray) -> np.ndarray:
    """What the instrument shows for the exact values; ``z`` is standard normal noise."""
    match name:
        case "viscosity":
            return _significant(np.minimum(exact * np.exp(0.05 * z), VISCOSITY_RANGE[1]), 3)
        case "hardness":
            return _significant(exact * np.exp(0.05 * z), 3)
        case "pH":
            return np.round(np.clip(exact + 0.05 * z, *PH_RANGE), 2)
        case _:
            return np.round(np.clip(exact + 0.002 * z, *DENSITY_RANGE), 3)
