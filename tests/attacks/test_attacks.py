"""Every attack of this folder is carried out, and none has an effect."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import pytest

from matrep_core.errors import MatRepError
from tests.attacks.kit import Kit, Watch

ATTACKS = sorted(file.stem for file in Path(__file__).parent.glob("a[0-9]*.py"))
MOST_MIB = 300.0
needs_proc = pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peak memory is read from Linux's /proc")


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def peaks(figures):
    found: dict[str, float] = {}
    yield found
    if found:
        figures.say(f"peak memory of the attacks: {max(found.values()):.0f} MiB ({max(found, key=found.get)})")


@needs_proc
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_has_no_effect(name: str, tmp_path: Path, watch: Watch, figures, peaks) -> None:
    module = importlib.import_module(f"tests.attacks.{name}")
    assert module.__doc__ and hasattr(module, "REFUSED") != hasattr(module, "HARMLESS")
    folder = tmp_path / "attacked"
    folder.mkdir()
    kit, said = Kit(folder), None
    with kit.memory as memory, watch(folder):
        try:
            module.attack(kit)
        except MatRepError as error:
            said = str(error)
    effects = [*watch.effects, *(f"left {path}" for path in left_behind(tmp_path, kit, module))]
    figures.add(attacks=1, effects=len(effects))
    peaks[f"{name}, own"], peaks[f"{name}, its process"] = memory.own, memory.children
    assert not effects
    assert memory.own < MOST_MIB and memory.children < MOST_MIB
    if hasattr(module, "REFUSED"):
        assert said is not None, "it was let in"
        assert re.search(module.REFUSED, said), said
        assert str(tmp_path) not in said and ".import-" not in said and "Traceback" not in said
    else:
        assert said is None, said


def left_behind(tmp_path: Path, kit: Kit, module: object) -> list[str]:
    """Files that are there and should not be: none outside the inputs where the attack was refused."""
    allowed = {"attacked", "attacked/inputs", "attacked/artifacts", "attacked/artifacts/runs"}
    there = [path for path in tree(tmp_path) if path not in allowed and not path.startswith("attacked/inputs/")]
    if hasattr(module, "HARMLESS"):
        there = [path for path in there if not path.startswith("attacked/artifacts/")]
    return there


def test_there_are_enough_and_every_number_stands_once() -> None:
    numbers = [name[1:4] for name in ATTACKS]
    assert len(ATTACKS) >= 60 and len(set(numbers)) == len(numbers)
