"""One member stands in the zip twice; the second is another file."""

from __future__ import annotations

import warnings
import zipfile

from tests.attacks.kit import Kit

REFUSED = "stands in it twice"


def attack(kit: Kit) -> None:
    path = kit.zipped({f"sample/{name}": content for name, content in kit.members.items()})
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as made:
        warnings.simplefilter("ignore")
        made.writestr("sample/status.json", b"{}")
    kit.load(path)
