"""A config with a setting that does not exist."""

from __future__ import annotations

import json

from tests.attacks.kit import Kit

REFUSED = "not a MatRep run"


def attack(kit: Kit) -> None:
    settings = {**json.loads(kit.members["config.json"])["settings"], "__class__": "os.system"}
    kit.load_run({"config.json": kit.changed("config.json", settings=settings)})
