"""A workbook of 1 MB that unpacks to more than a gigabyte."""

from __future__ import annotations

import zipfile

from tests.attacks.kit import Kit

REFUSED = "too large"


def attack(kit: Kit) -> None:
    path = kit.inputs / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        with target.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            for _ in range(1_100):
                part.write(b" " * 2**20)
    kit.read_file(path)
