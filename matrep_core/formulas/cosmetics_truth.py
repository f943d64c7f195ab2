"""The hidden truth behind the generated cosmetics: what each material does, and what a mixture then measures.

Every material i carries seven effects e[i, k], each per weight-% in the formula:

    thickening    swelling of a water-soluble polymer
    structuring   consistency of the fatty phase: waxes, fatty alcohols, emulsifiers
    micelles      surfactant that forms micelles
    electrolyte   ionic strength
    thinning      decades of viscosity lost to solvents and light oils
    alkalinity    shift of pH; acids are negative
    volume        cm³ that it fills in 100 g of formula

Effects are drawn around the centre of the material's kind (``KINDS``). A formula is its mixture
x[k] = Σ amount_i · e[i, k], so everything is linear up to here; then, for the formula's
pH  = 6 + 3 tanh(alkalinity / 3)
N   = 1 / (1 + exp(-1.5 (pH - 4.8)))                           acid polymers swell when neutralised
g   = thickening · N / (1 + 0.6 · electrolyte)                 and shrink in salt
gel = 5.5 · g / (0.7 + g)                                      decades, saturating
fat = 5.5 · structuring / (1.2 + structuring)                  decades, saturating
mic = 4.8 · s² / (1 + s²) · exp(-((electrolyte - 0.9) / 0.8)²) with s = micelles: the salt curve, with a maximum
viscosity = 10 ^ (0.3 + 5.3 (1 - exp(-(gel + fat + mic) / 3.1)) - thinning)   mPa·s, instrument range 0 to 100,000
hardness  = 8 · (structuring + 0.2 · gel)^1.7                  g, force of a needle in a texture analyser
density   = 100 / volume                                        g/cm3, ideal mixing, range 0.8 to 1.3

Thickeners, bases and acids are the laboratory's stock solutions and dispersions, so a few weight-% of
them occur. Preservatives, antioxidants, fragrances and colorants do nothing but fill volume.

A measurement adds noise: viscosity and hardness are multiplied by exp(0.05 z), pH gets 0.05 z and
density 0.002 z, with z standard normal; instruments then clip and round.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array

EFFECTS = ("thickening", "structuring", "micelles", "electrolyte", "thinning", "alkalinity", "volume")
VISCOSITY_RANGE = (0.0, 100_000.0)  # mPa·s
PH_RANGE = (3.0, 9.0)
DENSITY_RANGE = (0.8, 1.3)  # g/cm3


@dataclass(frozen=True)
class Kind:
    """One kind of material.

    function:  what ``material_info`` calls it
    code:      head of its codes
    share:     part of the catalogue
    tail:      power of rank with which use falls off; steep where laboratories stay with a few workhorses
    density:   g/cm3 of the pure material, with 4 % spread
    price:     median price per kg
    effects:   name -> (centre per weight-%, spread of its natural logarithm); all other effects are 0
    """

    function: str
    code: str
    share: float
    tail: float
    density: float
    price: float
    effects: dict[str, tuple[float, float]] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "water": Kind("solvent", "AQU", 0.0, 1.0, 0.998, 0.1),
    "solvent": Kind("solvent", "SOL", 0.020, 1.8, 0.95, 6, {"thinning": (0.035, 0.3)}),
    "humectant": Kind("humectant", "HUM", 0.060, 1.3, 1.20, 9, {"thinning": (0.006, 0.4)}),
    "emollient": Kind(
        "emollient", "EMO", 0.085, 1.8, 0.90, 14, {"structuring": (0.012, 0.4), "thinning": (0.004, 0.4)}
    ),
    "wax": Kind("wax", "WAX", 0.020, 1.8, 0.93, 11, {"structuring": (0.17, 0.3)}),
    "silicone": Kind("silicone", "SIL", 0.050, 1.3, 0.97, 18, {"structuring": (0.006, 0.5), "thinning": (0.012, 0.4)}),
    "emulsifier": Kind(
        "emulsifier", "EMU", 0.045, 1.8, 1.02, 12, {"structuring": (0.09, 0.35), "micelles": (0.01, 0.4)}
    ),
    "surfactant": Kind(
        "surfactant", "SUR", 0.050, 1.8, 1.05, 7, {"micelles": (0.085, 0.25), "electrolyte": (0.015, 0.4)}
    ),
    "thickener": Kind("thickener", "THK", 0.030, 1.8, 1.10, 25, {"thickening": (0.42, 0.3)}),
    "electrolyte": Kind("electrolyte", "SLT", 0.006, 1.8, 2.00, 3, {"electrolyte": (0.8, 0.25)}),
    "base": Kind("pH adjuster", "PHB", 0.009, 1.8, 1.10, 5, {"alkalinity": (0.8, 0.3), "electrolyte": (0.03, 0.25)}),
    "acid": Kind("pH adjuster", "PHA", 0.009, 1.8, 1.05, 5, {"alkalinity": (-0.8, 0.3), "electrolyte": (0.03, 0.25)}),
    "chelating agent": Kind("chelating agent", "CHE", 0.011, 1.3, 1.50, 8, {"electrolyte": (0.3, 0.3)}),
    "preservative": Kind("preservative", "PRE", 0.070, 1.15, 1.08, 20),
    "antioxidant": Kind("antioxidant", "AOX", 0.065, 1.15, 0.97, 40),
    "UV filter": Kind("UV filter", "UVF", 0.030, 1.3, 1.08, 45, {"structuring": (0.012, 0.5)}),
    "active": Kind("active", "ACT", 0.260, 1.1, 1.05, 90, {"electrolyte": (0.010, 0.6), "alkalinity": (-0.02, 0.6)}),
    "fragrance": Kind("fragrance", "FRA", 0.120, 1.1, 0.95, 60),
    "colorant": Kind("colorant", "COL", 0.060, 1.1, 2.50, 35),
}


def draw_effects(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, len(EFFECTS)) effects of new materials of one kind, log-normal around the kind's centre."""
    effects = np.zeros((count, len(EFFECTS)))
    for name, (centre, spread) in KINDS[kind].effects.items():
        effects[:, EFFECTS.index(name)] = centre * np.exp(spread * rng.standard_normal(count))
    effects[:, EFFECTS.index("volume")] = np.exp(0.04 * rng.standard_normal(count)) / KINDS[kind].density
    return effects


def noise_free(amounts: csr_array, effects: np.ndarray) -> dict[str, np.ndarray]:
    """What perfect instruments would read: property name -> (F,) values, clipped to the instrument's range.

    ``amounts`` is (F, M) in weight-%, ``effects`` is (M, len(EFFECTS)).
    """
    thickening, structuring, micelles, electrolyte, thinning, alkalinity, volume = (amounts @ effects).T
    ph = 6 + 3 * np.tanh(alkalinity / 3)
    swollen = thickening / (1 + np.exp(-1.5 * (ph - 4.8))) / (1 + 0.6 * electrolyte)
    gel = 5.5 * swollen / (0.7 + swollen)
    fat = 5.5 * structuring / (1.2 + structuring)
    salt_curve = np.exp(-(((electrolyte - 0.9) / 0.8) ** 2))
    micellar = 4.8 * micelles**2 / (1 + micelles**2) * salt_curve
    decades = 0.3 + 5.3 * (1 - np.exp(-(gel + fat + micellar) / 3.1)) - thinning
    return {
        "viscosity": np.clip(10**decades, *VISCOSITY_RANGE),
        "pH": np.clip(ph, *PH_RANGE),
        "hardness": 8 * (structuring + 0.2 * gel) ** 1.7,
        "density": np.clip(100 / volume, *DENSITY_RANGE),
    }
