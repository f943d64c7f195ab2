"""A member is a device."""

from __future__ import annotations

import stat
import zipfile

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    path = kit.inputs / "device.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in kit.members.items():
            info = zipfile.ZipInfo(f"sample/{name}")
            info.external_attr = ((stat.S_IFCHR if name == "status.json" else stat.S_IFREG) | 0o777) << 16
            made.writestr(info, content)
    kit.load(path)
