"""Half a character in the name of the data, which no file and no page can hold."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "cannot be read|not a MatRep run"


def attack(kit: Kit) -> None:
    kit.load_run({"config.json": kit.changed("config.json", data_name="\ud800")})
