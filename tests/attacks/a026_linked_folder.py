"""A member is a link to a folder, and a later one would be written through it."""

from __future__ import annotations

import stat
import zipfile

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    path = kit.inputs / "link.zip"
    with zipfile.ZipFile(path, "w") as made:
        info = zipfile.ZipInfo("sample/data")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(info, b"../../../..")
        for name, content in kit.members.items():
            made.writestr(f"sample/{name}", content)
    kit.load(path)
