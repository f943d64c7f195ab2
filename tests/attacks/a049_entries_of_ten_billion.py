"""A config that claims ten billion numbers a material."""

from __future__ import annotations

import json

from tests.attacks.kit import Kit

REFUSED = "not a MatRep run"


def attack(kit: Kit) -> None:
    settings = {**json.loads(kit.members["config.json"])["settings"], "n_entries": 10**10}
    kit.load_run({"config.json": kit.changed("config.json", settings=settings)})
