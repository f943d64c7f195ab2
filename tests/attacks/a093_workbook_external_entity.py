"""An entity that names a file of the system."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, row, rows

REFUSED = "document type"


def attack(kit: Kit) -> None:
    declared = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    kit.read_workbook(rows(HEAD, row(2, "F1", "&a;", "100"), head=declared))
