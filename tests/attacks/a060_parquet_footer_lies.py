"""A Parquet file whose footer claims to be two gigabytes long."""

from __future__ import annotations

from tests.attacks.kit import Kit

REFUSED = "not a Parquet file"


def attack(kit: Kit) -> None:
    kit.read(b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1", "formulas.parquet")
