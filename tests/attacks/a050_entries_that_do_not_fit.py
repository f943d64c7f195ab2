"""A config that claims one more number a material than the files hold."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "damaged|does not fit"


def attack(kit: Kit) -> None:
    kit.load_run({"config.json": kit.members["config.json"].replace(b'"n_entries": 2', b'"n_entries": 3')})
