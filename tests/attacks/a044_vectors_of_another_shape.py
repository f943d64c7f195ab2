"""Material vectors for another number of materials."""

from __future__ import annotations

import numpy as np

from tests.attacks.kit import Kit

REFUSED = "does not fit"


def attack(kit: Kit) -> None:
    kit.load_model(material_vectors=np.zeros((3, 2), np.float32))
