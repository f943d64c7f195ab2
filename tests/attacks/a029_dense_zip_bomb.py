"""A file of frames that is packed a thousand times."""

from __future__ import annotations

import zipfile

from tests.attacks.kit import Kit

REFUSED = "packed more densely"


def attack(kit: Kit) -> None:
    kit.load_run({"frames/vectors.bin": bytes(2**27)}, zipfile.ZIP_DEFLATED)
