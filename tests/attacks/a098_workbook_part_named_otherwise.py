"""A sheet with a document type in a part whose name does not end with .xml."""

from __future__ import annotations

from tests.attacks.kit import HEAD, Kit, row, rows

REFUSED = "document type|damaged"


def attack(kit: Kit) -> None:
    kinds = b"""<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
    <Default Extension="bin" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
    <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
    <Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"""
    links = b"""<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
    <Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="/xl/sheet.bin"/></Relationships>"""
    entities = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi"))
    sheet = rows(HEAD, row(2, "F1", "&i;", "100"), head=f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{entities}]>')
    kit.read_workbook("", {"[Content_Types].xml": kinds, "xl/_rels/workbook.xml.rels": links, "xl/sheet.bin": sheet.encode()})
