"""Predictions of formulas that are not there: numbers beyond the list."""

from __future__ import annotations

import numpy as np

from tests.attacks.kit import Kit

REFUSED = "does not fit"


def attack(kit: Kit) -> None:
    kit.load_model(formula=np.arange(10**6, 10**6 + 100))
