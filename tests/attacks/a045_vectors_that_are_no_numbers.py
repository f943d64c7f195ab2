"""Material vectors of NaN, which spread into every distance."""

from __future__ import annotations

import numpy as np

from tests.attacks.kit import Kit

REFUSED = "not finite"


def attack(kit: Kit) -> None:
    kit.load_model(material_vectors=np.full((500, 2), np.nan, np.float32))
