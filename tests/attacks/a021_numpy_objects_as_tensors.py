"""A .npy file of objects, which numpy would unpickle, in the place of the tensors."""

from __future__ import annotations

import io

import numpy as np

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([kit.pickled()], dtype=object))
    kit.load_run(kit.sealed(buffer.getvalue()))
