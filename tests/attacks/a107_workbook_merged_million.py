"""Two hundred thousand merged areas."""

from __future__ import annotations

from tests.attacks.kit import HEAD, NAMESPACE, Kit

REFUSED = "memory|merged"


def attack(kit: Kit) -> None:
    merged = "".join(f'<mergeCell ref="A{number}:B{number}"/>' for number in range(2, 200_002))
    sheet = f'<worksheet xmlns="{NAMESPACE}"><sheetData>{HEAD}</sheetData><mergeCells>{merged}</mergeCells></worksheet>'
    kit.read_workbook(sheet)
