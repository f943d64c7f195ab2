"""Two hundred thousand styles."""

from __future__ import annotations

from tests.attacks.kit import HEAD, NAMESPACE, Kit, rows

REFUSED = "memory|damaged|data was refused"


def attack(kit: Kit) -> None:
    styles = f'<styleSheet xmlns="{NAMESPACE}"><cellXfs>' + "<xf/>" * 200_000 + "</cellXfs></styleSheet>"
    kit.read_workbook(rows(HEAD), {"xl/styles.xml": styles.encode()})
