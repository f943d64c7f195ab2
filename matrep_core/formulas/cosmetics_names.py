"""INCI-style names for the generated materials: well-known ones first, then composed from word lists.

The names are made of ordinary nomenclature words. They say nothing about the hidden effects beyond the
kind of a material: a composed name may or may not exist as a real ingredient.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product

import numpy as np

_ALKYL = (
    "Lauryl", "Myristyl", "Cetyl", "Stearyl", "Oleyl", "Behenyl", "Isostearyl", "Caprylyl", "Decyl", "Octyldodecyl",
    "Arachidyl", "Ethylhexyl", "Hexyl", "Isopropyl", "Isononyl", "Tridecyl", "Cetearyl", "Hexyldecyl", "Isocetyl",
    "Isotridecyl", "Propylheptyl", "Butyloctyl", "Coco", "Isoamyl", "Isodecyl", "Erucyl",
)  # fmt: skip
_ACYLATE = (
    "Laurate", "Myristate", "Palmitate", "Stearate", "Oleate", "Isostearate", "Caprylate", "Behenate", "Ricinoleate",
    "Linoleate", "Adipate", "Sebacate", "Succinate", "Lactate", "Citrate", "Benzoate", "Isononanoate", "Neopentanoate",
    "Ethylhexanoate", "Cocoate", "Olivate", "Erucate", "Malate", "Caprate", "Hydroxystearate", "Heptanoate",
)  # fmt: skip
_PLANT = (
    "Rosa Damascena", "Lavandula Angustifolia", "Camellia Sinensis", "Aloe Barbadensis", "Chamomilla Recutita",
    "Calendula Officinalis", "Centella Asiatica", "Panax Ginseng", "Vitis Vinifera", "Olea Europaea", "Prunus Persica",
    "Prunus Armeniaca", "Citrus Limon", "Citrus Paradisi", "Citrus Bergamia", "Mentha Piperita", "Salvia Officinalis",
    "Rosmarinus Officinalis", "Thymus Vulgaris", "Ocimum Basilicum", "Melissa Officinalis", "Hamamelis Virginiana",
    "Arnica Montana", "Hypericum Perforatum", "Achillea Millefolium", "Urtica Dioica", "Arctium Lappa", "Ginkgo Biloba",
    "Glycyrrhiza Glabra", "Scutellaria Baicalensis", "Paeonia Lactiflora", "Nelumbo Nucifera", "Houttuynia Cordata",
    "Artemisia Vulgaris", "Oryza Sativa", "Avena Sativa", "Triticum Vulgare", "Glycine Soja", "Sesamum Indicum",
    "Helianthus Annuus", "Cannabis Sativa", "Linum Usitatissimum", "Cucurbita Pepo", "Cucumis Sativus",
    "Daucus Carota", "Solanum Lycopersicum", "Punica Granatum", "Vaccinium Myrtillus", "Vaccinium Macrocarpon",
    "Rubus Idaeus", "Fragaria Vesca", "Ribes Nigrum", "Sambucus Nigra", "Euterpe Oleracea", "Mangifera Indica",
    "Theobroma Cacao", "Coffea Arabica", "Cocos Nucifera", "Elaeis Guineensis", "Butyrospermum Parkii",
    "Argania Spinosa", "Simmondsia Chinensis", "Macadamia Ternifolia", "Persea Gratissima", "Moringa Oleifera",
    "Jasminum Officinale", "Cananga Odorata", "Pelargonium Graveolens", "Zingiber Officinale", "Curcuma Longa",
)  # fmt: skip
_CATION = ("Sodium", "Potassium", "Disodium", "Ammonium", "TEA", "MIPA", "Magnesium")
_ACYL = (
    "Lauroyl", "Cocoyl", "Myristoyl", "Stearoyl", "Oleoyl", "Capryloyl", "Palmitoyl", "Undecylenoyl", "Olivoyl",
    "Laureth", "Myreth", "Coceth", "Trideceth", "Lauryl", "Cetearyl",
)  # fmt: skip
_ANION = ("Glutamate", "Sarcosinate", "Isethionate", "Methyl Taurate", "Sulfosuccinate", "Glycinate", "Alaninate",
          "Sulfate", "Carboxylate", "Phosphate")  # fmt: skip
_MONOMER = ("Acrylates", "Sodium Acrylate", "Ammonium Acryloyldimethyltaurate", "Acrylamide", "Methacrylate",
            "C10-30 Alkyl Acrylate", "Steareth-20 Methacrylate", "Beheneth-25 Methacrylate", "Vinyl Isodecanoate",
            "Hydroxyethyl Acrylate", "Sodium Acryloyldimethyl Taurate", "VP", "Maleic Anhydride")  # fmt: skip
_COMONOMER = ("Acrylic Acid", "Vinyl Acetate", "Lauryl Methacrylate", "Ceteareth-20 Itaconate", "Palmeth-25 Acrylate",
              "Octadecene", "Methyl Vinyl Ether", "PEG-10 Maleate", "Itaconic Acid", "Dimethylacrylamide")  # fmt: skip
_NUMBER = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "12", "14", "15", "18", "20", "22", "25", "30", "35", "40",
           "45", "50", "60", "75", "80", "90", "100", "120", "150", "200")  # fmt: skip
_NOTE = (
    "Amber", "Bamboo", "Bergamot", "Blackcurrant", "Cashmere", "Cedar", "Citrus", "Cotton", "Fig", "Freesia",
    "Ginger", "Green Tea", "Honey", "Iris", "Jasmine", "Lily", "Lychee", "Magnolia", "Mandarin", "Mimosa", "Musk",
    "Neroli", "Orchid", "Peach", "Pear", "Peony", "Rose", "Sandalwood", "Tuberose", "Vanilla", "Verbena", "Violet",
)  # fmt: skip
_ACCORD = ("Breeze", "Garden", "Morning", "Veil", "Wood", "Dew", "Blossom", "Silk", "Night", "Shore", "Spice", "Cloud")

WELL_KNOWN: dict[str, tuple[str, ...]] = {
    "water": ("Aqua",),
    "solvent": ("Alcohol Denat.", "Propanediol", "Butylene Glycol", "Dipropylene Glycol", "Isohexadecane",
                "Pentylene Glycol", "Isododecane", "Propylene Glycol", "Ethoxydiglycol", "Hexylene Glycol"),
    "humectant": ("Glycerin", "Sorbitol", "Sodium Hyaluronate", "Betaine", "Sodium PCA", "Urea", "Trehalose",
                  "Panthenol", "Xylitol", "Diglycerin", "Erythritol", "Hydroxyethyl Urea"),
    "emollient": ("Caprylic/Capric Triglyceride", "Squalane", "Isopropyl Myristate", "Paraffinum Liquidum",
                  "Dicaprylyl Carbonate", "Coco-Caprylate/Caprate", "C12-15 Alkyl Benzoate", "Dicaprylyl Ether",
                  "Octyldodecanol", "Hydrogenated Polyisobutene", "Triethylhexanoin", "Butyrospermum Parkii Butter"),
    "wax": ("Cetearyl Alcohol", "Cetyl Alcohol", "Stearic Acid", "Cera Alba", "Behenyl Alcohol", "Stearyl Alcohol",
            "Glyceryl Dibehenate", "Euphorbia Cerifera Wax", "Ozokerite", "Copernicia Cerifera Wax"),
    "silicone": ("Dimethicone", "Cyclopentasiloxane", "Dimethiconol", "Phenyl Trimethicone", "Cyclohexasiloxane",
                 "Amodimethicone", "Trimethylsiloxysilicate", "Caprylyl Methicone"),
    "emulsifier": ("Glyceryl Stearate", "PEG-100 Stearate", "Polysorbate 60", "Cetearyl Glucoside", "Polysorbate 20",
                   "Ceteareth-20", "Glyceryl Stearate Citrate", "Sorbitan Olivate", "Polysorbate 80", "Steareth-21",
                   "Sorbitan Stearate", "Lecithin"),
    "surfactant": ("Sodium Laureth Sulfate", "Cocamidopropyl Betaine", "Coco-Glucoside", "Decyl Glucoside",
                   "Sodium Cocoyl Isethionate", "Sodium Lauroyl Sarcosinate", "Cocamide MEA", "Lauryl Glucoside",
                   "Disodium Cocoamphodiacetate", "Sodium Methyl Cocoyl Taurate", "Sodium C14-16 Olefin Sulfonate"),
    "thickener": ("Carbomer", "Xanthan Gum", "Acrylates/C10-30 Alkyl Acrylate Crosspolymer", "Hydroxyethylcellulose",
                  "Hydroxypropyl Starch Phosphate", "Cellulose Gum", "Sclerotium Gum", "Magnesium Aluminum Silicate",
                  "Hydroxypropyl Guar", "Polyacrylamide", "Sodium Polyacrylate", "Chondrus Crispus Powder"),
    "electrolyte": ("Sodium Chloride", "Magnesium Sulfate", "Sodium Sulfate", "Potassium Chloride", "Calcium Chloride",
                    "Zinc Sulfate", "Sodium Citrate"),
    "base": ("Sodium Hydroxide", "Triethanolamine", "Tromethamine", "Arginine", "Aminomethyl Propanol",
             "Potassium Hydroxide", "Sodium Bicarbonate", "Ethanolamine", "Sodium Carbonate", "Diisopropanolamine"),
    "acid": ("Citric Acid", "Lactic Acid", "Malic Acid", "Tartaric Acid", "Glycolic Acid", "Gluconic Acid",
             "Phosphoric Acid", "Succinic Acid", "Adipic Acid", "Fumaric Acid"),
    "chelating agent": ("Disodium EDTA", "Tetrasodium EDTA", "Phytic Acid", "Trisodium Ethylenediamine Disuccinate",
                        "Tetrasodium Glutamate Diacetate", "Sodium Phytate", "Etidronic Acid"),
    "preservative": ("Phenoxyethanol", "Ethylhexylglycerin", "Caprylyl Glycol", "Potassium Sorbate",
                     "Sodium Benzoate", "1,2-Hexanediol", "Chlorphenesin", "Benzyl Alcohol", "Dehydroacetic Acid",
                     "Methylparaben", "Propylparaben", "Hydroxyacetophenone"),
    "antioxidant": ("Tocopherol", "Tocopheryl Acetate", "BHT", "Ascorbyl Palmitate", "Ascorbic Acid", "Ubiquinone",
                    "Sodium Metabisulfite", "Pentaerythrityl Tetra-di-t-butyl Hydroxyhydrocinnamate"),
    "UV filter": ("Ethylhexyl Methoxycinnamate", "Butyl Methoxydibenzoylmethane", "Octocrylene", "Titanium Dioxide",
                  "Zinc Oxide", "Ethylhexyl Salicylate", "Homosalate", "Ethylhexyl Triazone"),
    "active": ("Niacinamide", "Allantoin", "Bisabolol", "Adenosine", "Ceramide NP", "Retinol", "Salicylic Acid",
               "Zinc PCA", "Madecassoside", "Caffeine", "Dipotassium Glycyrrhizate", "Tranexamic Acid"),
    "fragrance": ("Parfum", "Limonene", "Linalool", "Citronellol", "Geraniol", "Hexyl Cinnamal", "Coumarin",
                  "Benzyl Salicylate", "Citral", "Alpha-Isomethyl Ionone"),
    "colorant": ("CI 77491", "CI 77492", "CI 77499", "CI 77891", "Mica", "CI 19140", "CI 42090", "CI 16035"),
}  # fmt: skip

# Each line is a family: the product of its word lists, joined as they stand.
_FAMILIES: dict[str, list[tuple[tuple[str, ...], ...]]] = {
    "water": [],
    "solvent": [(_PLANT, (" Flower Water", " Leaf Water", " Fruit Water")), (("PPG-",), _NUMBER, (" Butyl Ether",))],
    "humectant": [
        (("Glycereth-", "Methyl Gluceth-", "Sorbeth-"), _NUMBER),
        (("Hydrolyzed ", "Fermented "), _PLANT, (" Protein", " Polysaccharide")),
    ],
    "emollient": [
        (_ALKYL, (" ",), _ACYLATE),
        (_PLANT, (" Seed Oil", " Kernel Oil", " Fruit Oil", " Nut Oil")),
    ],
    "wax": [
        (_PLANT, (" Wax", " Peel Wax")),
        (("Hydrogenated ",), _PLANT, (" Oil",)),
        (("C18-36 Acid ", "C16-18 Acid ", "C20-40 Acid "), ("Glycol Ester", "Triglyceride", "Monoglyceride")),
        (("Synthetic ", "Microcrystalline "), ("Wax", "Beeswax", "Candelilla Wax", "Carnauba Wax")),
    ],
    "silicone": [
        (("PEG-", "PEG/PPG-", "Bis-PEG-"), _NUMBER, (" Dimethicone", " Methicone", " Phenylsiloxane")),
        (_ALKYL, (" Dimethicone", " Methicone", " Trimethicone")),
    ],
    "emulsifier": [
        (("PEG-", "Polyglyceryl-"), _NUMBER, (" ",), _ACYLATE),
        (("Sucrose ", "Sorbitan Sesqui", "Methyl Glucose "), _ACYLATE),
    ],
    "surfactant": [
        (_CATION, (" ",), _ACYL, (" ",), _ANION),
        (_ALKYL, ("amidopropyl Betaine", "amidopropyl Hydroxysultaine", "amine Oxide")),
    ],
    "thickener": [
        (_MONOMER, ("/",), _COMONOMER, (" Copolymer", " Crosspolymer")),
        (("Hydroxypropyl ", "Carboxymethyl ", "Hydroxyethyl "), _PLANT, (" Gum",)),
    ],
    "electrolyte": [
        (
            ("Sodium ", "Potassium ", "Magnesium ", "Calcium ", "Ammonium ", "Zinc ", "Lithium "),
            ("Acetate", "Bromide", "Nitrate", "Aspartate", "Gluconate", "Thiosulfate", "Formate", "Propionate"),
        ),
    ],
    "base": [
        (
            ("Mono", "Di", "Tri", "Tetra", "Methyl", "Ethyl", "Propyl", "Butyl", "Hydroxy", "Amino"),
            ("isopropanolamine", "ethylamine", "hydroxypropylamine", "ethylenediamine", "guanidine", "glucamine",
             "propanediamine", "butanolamine"),
        ),
    ],
    "acid": [
        (
            ("Hydroxy", "Oxo", "Methyl", "Dihydroxy", "Acetyl", "Ethyl", "Lacto", "Galacto", "Malto", "Gluco"),
            ("caprylic Acid", "succinic Acid", "butyric Acid", "glutaric Acid", "bionic Acid", "heptonic Acid",
             "propionic Acid", "valeric Acid"),
        ),
    ],
    "chelating agent": [
        (
            ("Disodium ", "Trisodium ", "Tetrasodium ", "Pentasodium ", "Dipotassium ", "Calcium ", "Diammonium "),
            ("Pentetate", "Triphosphate", "Iminodisuccinate", "Etidronate", "Nitrilotriacetate", "HEDTA",
             "Aminotrimethylene Phosphonate", "Methylglycinediacetate", "Glucoheptonate", "Alaninediacetate",
             "Hydroxyethyl Iminodiacetate", "Pyrophosphate"),
        ),
    ],
    "preservative": [
        (
            ("Methyl", "Ethyl", "Propyl", "Butyl", "Isobutyl", "Benzyl", "Phenyl", "Octyl"),
            ("isothiazolinone", "dibromo Glutaronitrile", "hydantoin", "propanediol", " Levulinate", " Undecylenate",
             " Anisate"),
        ),
        (_PLANT, (" Root Ferment Filtrate", " Fruit Ferment Filtrate")),
        (("Mannityl ", "Sorbityl ", "Xylityl "), _ACYLATE),
    ],
    "antioxidant": [
        (("Tocopheryl ", "Ascorbyl ", "Retinyl ", "Resveratryl "), _ACYLATE),
        (_PLANT, (" Polyphenols", " Flavonoids")),
    ],
    "UV filter": [
        (
            ("Diethylhexyl ", "Ethylhexyl ", "Drometrizole ", "Isoamyl ", "Methylene Bis-", "Bis-Ethylhexyloxy "),
            ("Butamido", "Methoxy", "Dimethoxy", "Benzyl", "Hydroxybenzoyl", "Phenyl"),
            (" Triazone", " Cinnamate", " Benzylidene Malonate", " Benzoate", " Triazine", " Trisiloxane"),
        ),
    ],
    "active": [
        (_PLANT, (" Leaf", " Root", " Flower", " Fruit", " Seed", " Bark", " Callus Culture"), (" Extract",)),
        (
            ("Palmitoyl ", "Acetyl ", "Myristoyl "),
            ("Dipeptide-", "Tripeptide-", "Tetrapeptide-", "Hexapeptide-"),
            _NUMBER,
        ),
        (("Lactobacillus/", "Saccharomyces/", "Bifida/"), _PLANT, (" Ferment",)),
    ],
    "fragrance": [
        (("Parfum (",), _NOTE, (" ",), _ACCORD, (")",)),
        (_PLANT, (" Flower Oil", " Peel Oil", " Leaf Oil", " Bark Oil", " Herb Oil")),
    ],
    "colorant": [(("CI ",), tuple(str(number) for number in range(10_006, 77_490)))],
}  # fmt: skip


def names(kind: str, count: int, rng: np.random.Generator) -> list[str]:
    """``count`` different names of one kind: the well-known ones in order, then composed ones at random.

    Where single names run out, blends follow ("A (and) B"), as trade materials are named. Different
    kinds never share a name. Raises ValueError where even the blends run out.
    """
    known = list(WELL_KNOWN[kind])
    taken = set(known)
    composed = [n for family in _FAMILIES[kind] for n in map("".join, product(*family)) if n not in taken]
    rng.shuffle(composed)
    singles = known + composed
    if count > len(singles) ** 2:
        raise ValueError(f"the word lists have fewer than {count} names for {kind}")
    return list(islice(_with_blends(singles), count))


def _with_blends(singles: list[str]) -> Iterator[str]:
    yield from singles
    for shift in range(1, len(singles)):
        for i, first in enumerate(singles):
            yield f"{first} (and) {singles[(i + shift) % len(singles)]}"


_SUPPLIER_HEAD = ("Alder", "Birken", "Corvin", "Dorn", "Elmet", "Fjord", "Garn", "Halden", "Isar", "Juniper", "Kestrel",
                  "Linden", "Marl", "Norrin", "Osier", "Pallas", "Quarry", "Rowan", "Seld", "Tarn")  # fmt: skip
_SUPPLIER_TAIL = ("chem", " Ingredients", " Oleo", " Specialties", " Naturals", " Actives")
SUPPLIERS = tuple(map("".join, product(_SUPPLIER_HEAD, _SUPPLIER_TAIL)))  # none of them is meant to exist
