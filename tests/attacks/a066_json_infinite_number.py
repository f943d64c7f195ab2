"""Seconds of 1e999, which become infinity without the word."""

from __future__ import annotations

import re

from tests.attacks.kit import Kit

REFUSED = "not a MatRep status|finite|number"


def attack(kit: Kit) -> None:
    kit.load_run({"status.json": re.sub(rb'"seconds": [0-9.]+', b'"seconds": 1e999', kit.members["status.json"])})
