"""``python -m benchmarks engine`` prints the table of speed, ``python -m benchmarks recipe`` that of the recipe."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    engine = commands.add_parser("engine", help="the training engine beside a plain dense torch loop, and its floor")
    engine.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    engine.add_argument("--budget", type=float, default=300.0, metavar="S", help="seconds for the plain loop to reach its best")
    engine.add_argument("--only", default="", metavar="ab...", help="letters of the parts to measure; all without it")
    recipe = commands.add_parser("recipe", help="what each choice of the default recipe does to the eval error")
    recipe.add_argument("--sets", type=Path, metavar="DIR", help="measure these folders of data too, each below DIR")
    recipe.add_argument("--seeds", type=int, default=5, metavar="N", help="how many split seeds")
    recipe.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    similarity = commands.add_parser("similarity", help="how well each ranking finds materials that act alike")
    similarity.add_argument("--sets", type=Path, metavar="DIR", help="measure these folders of data too, each below DIR")
    similarity.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed")
    similarity.add_argument("--seeds", type=int, default=5, metavar="N", help="how many seeds, of the set and of the split")
    similarity.add_argument("--most", type=int, default=10_000, metavar="N", help="materials asked for their function, at most")
    similarity.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    near = commands.add_parser("neighbours", help="exact neighbours beside scikit-learn's brute force")
    near.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    load = commands.add_parser("load", help="many sessions at once on one server, beside one session alone")
    load.add_argument("--sessions", type=int, default=50, metavar="N", help="sessions over websockets")
    load.add_argument("--browsers", type=int, default=5, metavar="N", help="real browsers beside them")
    load.add_argument("--minutes", type=float, default=0.0, metavar="M", help="a soak: go on for so long")
    load.add_argument("--think", type=float, default=5.0, metavar="S", help="mean seconds between two actions of a session")
    load.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    viewer = commands.add_parser("viewer", help="the viewer beside st.slider with Altair and beside Plotly, in Chromium")
    viewer.add_argument("--quick", action="store_true", help="a tiny size: the table, not its numbers")
    together = commands.add_parser("together", help="which properties help each other when they share the vectors")
    together.add_argument("--sets", type=Path, metavar="DIR", help="measure these folders of data instead of the generated set")
    together.add_argument("--seeds", type=int, default=5, metavar="N", help="how many split seeds")
    together.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    quality = commands.add_parser("quality", help="the default predictor beside every baseline on real sets")
    quality.add_argument("--sets", type=Path, metavar="DIR", help="the folder that holds shampoo, tablets, octane")
    quality.add_argument("--out", type=Path, metavar="DIR", help="where its studies are kept; what is done is not repeated")
    quality.add_argument("--document", type=Path, metavar="FILE", help="put the table between the marks of this file too")
    tables = commands.add_parser("tables", help="the research's table on the generated set, recipes report and default")
    tables.add_argument("--steps", type=int, default=0, metavar="N", help="steps of the report recipe; its own 195,000 without it")
    for each in (quality, tables):
        each.add_argument("--splits", type=int, default=5, metavar="N", help="how many split seeds")
        each.add_argument("--workers", type=int, default=2, metavar="N", help="how many runs train at once")
        each.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    films = commands.add_parser("films", help="one UMAP over all frames: a network that learned the last beside a chain")
    films.add_argument("--quick", action="store_true", help="tiny sizes: the table, not its numbers")
    arguments = parser.parse_args()
    if arguments.command == "viewer":
        from benchmarks.viewer import measure as measure_viewer

        measure_viewer(quick=arguments.quick)
        return

    import scipy.linalg.cython_blas  # noqa: F401  loaded first, so that the limit reaches it
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1):
        if arguments.command == "engine":
            from benchmarks.engine import measure

            measure(quick=arguments.quick, budget=arguments.budget, only=arguments.only)
        elif arguments.command == "quality":
            from benchmarks.quality import quality as judge

            judge(arguments.sets, arguments.out, arguments.splits, arguments.workers, arguments.document, quick=arguments.quick)
        elif arguments.command == "tables":
            from benchmarks.quality import tables as build

            build(arguments.splits, arguments.workers, arguments.steps, quick=arguments.quick)
        elif arguments.command == "similarity":
            from benchmarks.similarity import measure as measure_similarity

            measure_similarity(arguments.sets, arguments.first, arguments.seeds, arguments.most, quick=arguments.quick)
        elif arguments.command == "load":
            from benchmarks.load import measure as measure_load

            a = arguments
            measure_load(a.sessions, a.browsers, a.minutes, a.think, quick=a.quick)
        elif arguments.command == "together":
            from benchmarks.together import measure as measure_together

            measure_together(arguments.sets, arguments.seeds, quick=arguments.quick)
        elif arguments.command == "films":
            from benchmarks.films import measure as measure_films

            measure_films(quick=arguments.quick)
        elif arguments.command == "neighbours":
            from benchmarks.neighbours import measure as measure_neighbours

            measure_neighbours(quick=arguments.quick)
        else:
            from benchmarks.recipe import measure as measure_recipe

            measure_recipe(arguments.sets, arguments.seeds, quick=arguments.quick)


if __name__ == "__main__":
    main()
