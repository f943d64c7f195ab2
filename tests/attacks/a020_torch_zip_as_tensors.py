"""A file as torch.save writes it (a zip with data.pkl) in the place of the tensors, under a right seal."""

from __future__ import annotations

import io
import zipfile

from tests.attacks.kit import Kit

REFUSED = "not a safetensors file"


def attack(kit: Kit) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", kit.pickled())
    kit.load_run(kit.sealed(buffer.getvalue()))
