"""Half a gigabyte of zeros packed into half a megabyte."""

from __future__ import annotations

import zipfile

from tests.attacks.kit import Kit

REFUSED = "larger than that of any run"


def attack(kit: Kit) -> None:
    kit.load_run({"metrics.jsonl": bytes(2**29)}, zipfile.ZIP_DEFLATED)
