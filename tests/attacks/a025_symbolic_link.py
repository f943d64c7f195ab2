"""A member is a symbolic link to a file of the system."""

from __future__ import annotations

import stat
import zipfile

from tests.attacks.kit import Kit

REFUSED = "no part of a run"


def attack(kit: Kit) -> None:
    path = kit.inputs / "link.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in kit.members.items():
            info = zipfile.ZipInfo(f"sample/{name}")
            link = name == "scores.json"
            info.external_attr = ((stat.S_IFLNK if link else stat.S_IFREG) | 0o777) << 16
            made.writestr(info, b"/etc/passwd" if link else content)
    kit.load(path)
