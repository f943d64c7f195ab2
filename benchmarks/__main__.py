"""``python -m benchmarks NAME`` prints one table; without a name it lists them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from matrep_core.threads import one_thread

SETS = ("--sets", {"type": Path, "metavar": "DIR", "help": "folders of real data, each below DIR"})
WORKERS = ("--workers", {"type": int, "default": 2, "metavar": "N", "help": "how many runs train at once"})


def seeds(flag: str = "--seeds", what: str = "how many split seeds") -> tuple[str, dict[str, Any]]:
    return flag, {"type": int, "default": 5, "metavar": "N", "help": what}


# name: (module, function, what it measures, its options beside --quick)
BENCHMARKS: dict[str, tuple[str, str, str, list[tuple[str, dict[str, Any]]]]] = {
    "engine": ("engine", "measure", "the training engine beside a plain dense torch loop, and its floor", [
        ("--budget", {"type": float, "default": 300.0, "metavar": "S", "help": "seconds for the plain loop to reach its best"}),
        ("--only", {"default": "", "metavar": "ab...", "help": "letters of the parts to measure; all without it"}),
    ]),
    "recipe": ("recipe", "measure", "what each choice of the default recipe does to the eval error", [SETS, seeds()]),
    "together": ("together", "measure", "which properties help each other when they share the vectors", [SETS, seeds()]),
    "quality": ("quality", "quality", "the default predictor beside every baseline on real sets", [
        SETS, WORKERS, seeds("--splits"),
        ("--out", {"type": Path, "metavar": "DIR", "help": "where its studies are kept; what is done is not repeated"}),
        ("--document", {"type": Path, "metavar": "FILE", "help": "put the table between the marks of this file too"}),
    ]),
    "tables": ("quality", "tables", "the research's table on the generated set, recipes report and default", [
        WORKERS, seeds("--splits"),
        ("--steps", {"type": int, "default": 0, "metavar": "N", "help": "steps of the report recipe; its own 195,000 without it"}),
    ]),
    "similarity": ("similarity", "measure", "how well each ranking finds materials that act alike", [
        SETS, seeds(what="how many seeds, of the set and of the split"),
        ("--first", {"type": int, "default": 0, "metavar": "SEED", "help": "the first seed"}),
        ("--most", {"type": int, "default": 10_000, "metavar": "N", "help": "materials asked for their function, at most"}),
        ("--only", {"default": "", "metavar": "TEXT", "help": "the sets whose name contains it"}),
    ]),
    "neighbours": ("neighbours", "measure", "exact neighbours beside scikit-learn's brute force", []),
    "placing": ("placing", "measure", "materials that never trained, placed from a few formulas", [
        SETS,
        ("--out", {"type": Path, "metavar": "DIR", "help": "where its runs are kept; what is trained is not repeated"}),
        ("--tune", {"action": "store_true", "help": "the materials that chose the settings, instead of the others"}),
    ]),
    "twins": ("twins", "measure", "whether materials under two codes each are proposed to be merged", [
        SETS, ("--tune", {"action": "store_true", "help": "the draw that chose the settings, instead of the others"}),
    ]),
    "scaling": ("scaling", "measure", "cost at 10 and 100 times the formulas, materials and runs", [
        ("--only", {"default": "", "metavar": "fmr", "help": "f for formulas, m for materials, r for runs; all without it"}),
    ]),
    "device": ("device", "measure", "the reference engine on a GPU, if there is one, beside the CPU", []),
    "films": ("films", "measure", "UMAP over all frames: a distilled network beside a chain of layouts", []),
    "viewer": ("viewer", "measure", "the viewer beside st.slider with Altair and beside Plotly, in Chromium", []),
    "load": ("load", "measure", "many sessions at once on one server, beside one session alone", [
        ("--sessions", {"type": int, "default": 50, "metavar": "N", "help": "sessions over websockets"}),
        ("--browsers", {"type": int, "default": 5, "metavar": "N", "help": "real browsers beside them"}),
        ("--minutes", {"type": float, "default": 0.0, "metavar": "M", "help": "a soak: go on for so long"}),
        ("--think", {"type": float, "default": 5.0, "metavar": "S", "help": "mean seconds between two actions of a session"}),
    ]),
}  # fmt: skip
WITH_SERVERS = {"viewer", "load", "scaling"}  # these start processes of their own and compute little here


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, _, what, options) in BENCHMARKS.items():
        one = commands.add_parser(name, help=what, description=what)
        for flag, details in options:
            one.add_argument(flag, **details)
        one.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    given = vars(parser.parse_args())
    name = given.pop("command")
    module, function, _, _ = BENCHMARKS[name]
    if name in WITH_SERVERS:
        _measure(module, function, given)
        return

    import torch

    torch.set_num_threads(1)
    with one_thread():
        _measure(module, function, given)


def _measure(module: str, function: str, given: dict[str, Any]) -> None:
    measure: Callable[..., object] = getattr(import_module(f"benchmarks.{module}"), function)
    measure(**{{"sets": "folder"}.get(name, name): value for name, value in given.items()})


if __name__ == "__main__":
    main()
