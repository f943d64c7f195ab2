"""A document type in UTF-16, where a search for its bytes finds nothing."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "not UTF-8"


def attack(kit: Kit) -> None:
    kit.read_workbook(rows(HEAD, head='<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x>').encode("utf-16"))
