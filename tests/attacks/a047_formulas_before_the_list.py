"""Predictions of formulas with numbers below zero, which numpy counts from the end."""

from __future__ import annotations

import numpy as np

from tests.attacks.kit import Kit

REFUSED = "does not fit"


def attack(kit: Kit) -> None:
    kit.load_model(formula=np.full(100, -1))
