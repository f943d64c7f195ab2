"""Forty names of runs that lead elsewhere, run as commands, or become markup."""

from __future__ import annotations

from matrep_core.errors import DataRefused, MatRepError
from tests.attacks.kit import Kit

NAMES = (
    "", ".", "..", "...", " ", "~", "~root", "-rf", "--help", "$(id)", "`id`", "a;b", "a|b", "a&b", "a b", "a\tb", "a\nb", "a\rb",
    "a:b", "C:", "C:a", "a*", "a?", "[a]", "{a}", "<b>", "<img src=x onerror=alert(1)>", "a\"b", "a'b", "a%2fb", "%00", "a\\b",
    "\u202egnp.nur", "\u200b", "ｒｕｎ", "ran\u0300", "run\u0000", ".hidden", "x" * 71, "x" * 4_000, "@a", "=a", "+a", "#a", "a,b",
)
REFUSED = "data was refused"


def attack(kit: Kit) -> None:
    for name in NAMES:
        try:
            run = kit.load(kit.zipped({f"{name}/config.json": kit.members["config.json"]}))
        except MatRepError:
            continue
        raise AssertionError(f"{name!r} became {run.path}")
    raise DataRefused([])
