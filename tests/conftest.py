"""What all tests share: small real data, and one thread for the linear algebra, as a training worker has."""

from __future__ import annotations

from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

PROJECT = Path(__file__).resolve().parents[1]
SHARED = PROJECT.parent / "shared" / "data"


class Figures:
    """What the tests counted; the report of the test run ends with it, a line a group, such as ``kills: 100, lost: 0``."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, int]] = {}
        self._sentences: list[str] = []

    def add(self, **counts: int) -> None:
        """Add to the group that the first name names."""
        group = self._groups.setdefault(next(iter(counts)), {})
        for name, count in counts.items():
            group[name] = group.get(name, 0) + count

    def say(self, sentence: str) -> None:
        self._sentences.append(sentence)

    def counted(self) -> tuple[dict[str, dict[str, int]], list[str]]:
        return self._groups, self._sentences

    def take(self, counted: tuple[dict[str, dict[str, int]], list[str]]) -> None:
        """Add what another process of the test run counted."""
        for group in counted[0].values():
            self.add(**group)
        self._sentences += counted[1]

    def lines(self) -> list[str]:
        counted = (", ".join(f"{k.replace('_', ' ')}: {n:,}" for k, n in group.items()) for group in self._groups.values())
        return sorted([*counted, *self._sentences])


_FIGURES = Figures()


@pytest.fixture(scope="session")
def figures() -> Figures:
    return _FIGURES


def pytest_sessionfinish(session) -> None:
    """A worker of a parallel test run hands its figures to the one that reports."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = _FIGURES.counted()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    _FIGURES.take(getattr(node, "workeroutput", {}).get("figures", ({}, [])))


def pytest_terminal_summary(terminalreporter) -> None:
    if _FIGURES.lines():
        terminalreporter.section("figures")
        for line in _FIGURES.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import scipy.linalg.cython_blas  # the library must be loaded before it can be limited
    import torch

    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield scipy.linalg.cython_blas


@pytest.fixture(scope="session")
def small_cosmetics():
    """150 formulas of 600 materials, generated."""
    from matrep_core.formulas.cosmetics import generate_cosmetics

    return generate_cosmetics(seed=3, formulas=150, materials=600).data


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data sets beside the project; skips where it is not there."""
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not beside this checkout")
    return SHARED
