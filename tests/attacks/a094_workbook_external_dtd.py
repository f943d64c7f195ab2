"""A document type that names an address."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "document type"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD, head='<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">'))
