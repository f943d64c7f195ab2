"""A table of shared texts that claims ten billion and holds two million."""

from __future__ import annotations

from tests.attacks.kit import HEAD, NAMESPACE, Kit, rows

REFUSED = "memory|missing|data was refused"


def attack(kit: Kit) -> None:
    texts = f'<sst xmlns="{NAMESPACE}" count="9999999999" uniqueCount="9999999999">' + "<si><t>x</t></si>" * 2_000_000 + "</sst>"
    kit.read_workbook(rows(HEAD), {"xl/sharedStrings.xml": texts.encode()})
