"""A document type in UTF-7, where a search for its bytes finds nothing."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, rows

REFUSED = "damaged|UTF-8"


def attack(kit: Kit) -> None:
    hidden = '<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x SYSTEM +ACI-file:///etc/passwd+ACIAPg-'
    kit.read_workbook(rows(HEAD, head=hidden))
