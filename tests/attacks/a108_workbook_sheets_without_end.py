"""A workbook of twenty thousand sheets over one part."""

from __future__ import annotations

from tests.attacks.kit import HEAD, NAMESPACE, Kit, rows

REFUSED = "sheets|memory|damaged"


def attack(kit: Kit) -> None:
    sheets = "".join(f'<sheet name="s{number}" sheetId="{number + 1}" r:id="rId1"/>' for number in range(20_000))
    book = (f'<workbook xmlns="{NAMESPACE}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
            f"<sheets>{sheets}</sheets></workbook>")
    kit.read_workbook(rows(HEAD), {"xl/workbook.xml": book.encode()})
