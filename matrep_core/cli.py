"""The command line: the same core as the app's, for scripts and for machines without a browser.

Exit status: 0 done, 1 the input is at fault (one message on stderr), 2 wrong usage. With ``--json`` a
command prints exactly one JSON document on stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence, Set
from dataclasses import fields
from pathlib import Path
from typing import Any

from matrep_core.errors import DataRefused, MatRepError, SettingRefused
from matrep_core.settings import RECIPES, TrainingSettings, from_recipe
from matrep_core.wording import measured

# Fields of TrainingSettings that the command line calls otherwise, or that are no number or choice.
_FLAGS = {"n_entries": "--entries", "code_activation": "--activation"}
_NAMED = {"property", "conditions", "also", "recipe"}


def build_parser() -> argparse.ArgumentParser:
    """All commands and options; help texts of settings are those of settings.py."""
    parser = argparse.ArgumentParser(prog="python -m matrep_core", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, run: Callable[[argparse.Namespace], Any]) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        return sub

    demo = command("demo", "write a data set that is already there as CSV files", _demo)
    demo.add_argument("name", choices=["cosmetics", "octane"], help="the generated cosmetics set, or real octane numbers")
    demo.add_argument("--out", type=Path, required=True, metavar="DATA_DIR")
    demo.add_argument("--seed", type=int, default=0, help="seed of the generated set")

    check = command("check", "read data and say what it holds, or every row at fault", _check)
    _add_reading(check)
    check.add_argument("--property", action="append", default=[], metavar="P", help="property column of a wide table")
    check.add_argument("--condition", action="append", default=[], metavar="C", help="condition column")

    train = command("train", "train a model and write its run directory", _train)
    _add_reading(train)
    train.add_argument("--property", required=True, metavar="P", help="the property to predict")
    train.add_argument("--condition", action="append", default=[], metavar="C", help="a number it was measured at")
    train.add_argument("--also", action="append", default=[], metavar="P", help="a further property that the vectors learn together")
    train.add_argument("--recipe", choices=list(RECIPES), default="default", help="where the other settings start from")
    train.add_argument("--out", type=Path, required=True, metavar="RUN_DIR")
    _add_settings(train)
    _add_engine(train)

    study = command("study", "train over N_entries, code activations and splits, and print the table of errors", _study)
    _add_reading(study)
    study.add_argument("--property", required=True, metavar="P", help="the property to predict")
    study.add_argument("--condition", action="append", default=[], metavar="C", help="a number it was measured at")
    study.add_argument("--also", action="append", default=[], metavar="P", help="a further property that the vectors learn together")
    study.add_argument("--recipe", choices=list(RECIPES), default="default", help="where the other settings start from")
    study.add_argument("--out", type=Path, required=True, metavar="STUDY_DIR", help="what is done in it is not repeated")
    study.add_argument("--entries", default="2,4,6,10,20,50,100", metavar="N,N,...", help="N_entries, separated by commas")
    study.add_argument("--activation", default="tanh", metavar="A,A,...", help="code activations: tanh, sigmoid, identity")
    study.add_argument("--splits", type=int, default=5, metavar="N", help="how many split seeds, counted from 0")
    study.add_argument(
        "--baselines", nargs="?", const="all", default="", metavar="B,B,...",
        help="tune mean, ridge, kNN, SVR, random forest and gradient boosting on the same splits, or those that are named",
    )  # fmt: skip
    study.add_argument("--workers", type=int, default=2, metavar="N", help="how many runs train at once on this machine")
    study.add_argument("--store", default="", metavar="URL", help="store the study there too, as push does")
    study.add_argument("--scheduler", default="", metavar="tcp://HOST:PORT", help="let the workers of this Dask scheduler do it instead")
    _add_settings(study, without={"n_entries", "code_activation", "seed"})
    _add_engine(study)

    resume = command("resume", "go on with a training that was stopped or killed", _resume)
    resume.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    _add_engine(resume)

    push = command("push", "store a run or a study in a folder or an object store, as a whole or not at all", _push)
    push.add_argument("path", type=Path, metavar="RUN|STUDY")
    push.add_argument("url", metavar="STORE_URL", help="a folder, or s3://bucket/folder; keys come from the environment")
    push.add_argument("--name", default="", help="its name there; the folder's own without it")

    pull = command("pull", "bring a run or a study back from a store, checked as a stranger's is", _pull)
    pull.add_argument("url", metavar="STORE_URL")
    pull.add_argument("name", metavar="NAME")
    pull.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")

    near = command("neighbours", "the materials most similar to one, with what speaks for each", _neighbours)
    near.add_argument("run_dir", type=Path, metavar="RUN_OR_STUDY", help="of a study the runs that are done speak together")
    near.add_argument("material", metavar="MATERIAL")
    near.add_argument("--k", type=int, default=10, help="how many (default 10)")
    near.add_argument("--by", choices=["fused", "profile", "code"], help="all evidence (default), use in formulas, or learned vectors")
    near.add_argument("--metric", choices=["cosine", "euclidean"], help="of the learned vectors; means --by code (default cosine)")

    substitute = command("substitute", "what may take the place of a material in a formula, and what it changes", _substitute)
    substitute.add_argument("run_dir", type=Path, metavar="RUN")
    substitute.add_argument("formula", metavar="FORMULA_ID")
    substitute.add_argument("old", metavar="OLD", help="the material to replace")
    substitute.add_argument("new", metavar="NEW", nargs="?", help="look at this one closely; without it candidates are ranked")
    substitute.add_argument("--also", type=Path, action="append", default=[], metavar="RUN", help="a run of a further property of the same data")
    substitute.add_argument("--amount", choices=["kept", "rescaled", "optimised"], default="kept", help="how much of the new material")
    substitute.add_argument("--low", type=float, metavar="X", help="least weight-%% of the new one, where it is optimised")
    substitute.add_argument("--high", type=float, metavar="X", help="most weight-%% of the new one")
    substitute.add_argument("--same-function", action="store_true", help="only materials of the same function")
    substitute.add_argument("--in-stock", action="store_true", help="only materials that materials.csv says are in stock")
    substitute.add_argument("--never", action="append", default=[], metavar="MATERIAL", help="not this one; may be given again")
    substitute.add_argument("--k", type=int, default=10, help="how many candidates (default 10)")

    place = command("place", "place materials that a run never trained by their formulas, and predict with them", _place)
    place.add_argument("run_dir", type=Path, metavar="RUN")
    _add_reading(place)

    merge = command("merge", "propose codes that act alike, and train with and without them merged", _merge)
    merge.add_argument("run_dir", type=Path, metavar="RUN")
    merge.add_argument("--groups", type=Path, metavar="FILE", help="a mapping with old_code and new_code; without it the proposed groups")
    merge.add_argument("--most", type=int, default=20, help="how many groups are proposed at most (default 20)")
    merge.add_argument("--together", action="store_true", help="also codes that are often used in one formula")
    merge.add_argument("--splits", type=int, default=0, metavar="N", help="train N splits before and after (default 0: only propose)")
    merge.add_argument("--out", type=Path, metavar="DIR", help="a new folder for mapping.csv and the merged formulas")

    export = command("export", "write vectors.csv, frames.parquet, predictions.csv and the run as one zip", _export)
    export.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    export.add_argument("--out", type=Path, required=True, metavar="DIR")
    return parser


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, nargs="+", metavar="DATA", help="folder, workbook or table; several are merged")
    parser.add_argument("--encoding", default="auto", help="auto, or the encoding of text files: utf-8, utf-16, cp949, cp1252, latin-1")
    parser.add_argument("--delimiter", default="auto", help="auto, comma, semicolon or tab")
    parser.add_argument("--decimal", default="auto", help="auto, point or comma")
    parser.add_argument("--formula-id-column", default="", metavar="NAME", help="of a wide table")
    parser.add_argument("--sum-duplicates", action="store_true", help="sum amounts of one material in one formula")
    amounts = parser.add_mutually_exclusive_group()
    amounts.add_argument("--complete-with", default="", metavar="MATERIAL", help="fill formulas below 100 weight-%% with it")
    amounts.add_argument("--rescale", action="store_true", help="scale the amounts of every formula to 100 weight-%%")


def _add_settings(parser: argparse.ArgumentParser, without: Set[str] = frozenset()) -> None:
    group = parser.add_argument_group("settings, each with the recipe's value where it is not given")
    for each in fields(TrainingSettings):
        if each.name in _NAMED | without:
            continue
        flag = _FLAGS.get(each.name, "--" + each.name.replace("_", "-"))
        options: dict[str, Any] = {"dest": each.name, "default": None, "help": each.metadata["sentence"].replace("%", "%%")}
        if "choices" in each.metadata:
            group.add_argument(flag, choices=each.metadata["choices"], **options)
        else:
            bound = each.metadata.get("bound")
            if bound is None:
                group.add_argument(flag, metavar="NAME", **options)
                continue
            options["help"] += f" From {bound.low:g} to {bound.high:g}."
            group.add_argument(flag, type=int if bound.whole else float, metavar="N" if bound.whole else "X", **options)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["auto", "fast", "reference"], default="auto", help="compiled steps, or plain torch")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where plain torch computes; auto: a GPU if there is one")


def _read(arguments: argparse.Namespace) -> Any:
    """Read DATA. A loose file that is no long table is read as a wide one whose property column is named."""
    from dataclasses import replace

    from functools import partial

    from matrep_core.formulas.reading import ReadingOptions, read_data
    from matrep_core.limits import MAX_STREAMED_ROWS

    read = partial(read_data, most_rows=MAX_STREAMED_ROWS)
    options = ReadingOptions(
        encoding=arguments.encoding, delimiter=arguments.delimiter, decimal=arguments.decimal,
        formula_id_column=arguments.formula_id_column, sum_duplicates=arguments.sum_duplicates,
        rescale=arguments.rescale, complete_with=arguments.complete_with,
    )  # fmt: skip
    properties = arguments.property if isinstance(arguments.property, list) else [arguments.property, *arguments.also]
    wide = replace(options, property_columns=tuple(properties), condition_columns=tuple(arguments.condition))
    if all(path.is_dir() for path in arguments.data) or not properties:
        return read(arguments.data, options)
    try:
        return read(arguments.data, options)
    except DataRefused as refused_as_long:
        try:
            return read(arguments.data, wide)
        except DataRefused as refused_as_wide:
            no_such_column = any("no column of this name" in fault.problem for fault in refused_as_wide.faults)
            raise (refused_as_long if no_such_column else refused_as_wide) from None


def _facts(data: Any) -> dict[str, Any]:
    counts = data.measurements["property"].value_counts()
    return {
        "name": data.name,
        "formulas": len(data.formula_ids),
        "materials": len(data.materials),
        "nonzeros": int(data.amounts.nnz),
        "properties": [
            {"name": p.name, "unit": p.unit, "scale": p.scale, "values": int(counts[p.name])} for p in data.properties
        ],
        "conditions": list(data.condition_columns),
    }


def _demo(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from matrep_core.formulas.storage import write_csv_folder

    if arguments.name == "cosmetics":
        from matrep_core.formulas.cosmetics import generate_cosmetics

        data = generate_cosmetics(seed=arguments.seed).data
    else:
        from matrep_core.formulas.octane import read_octane

        data = read_octane()
    if arguments.out.exists() and (not arguments.out.is_dir() or any(arguments.out.iterdir())):
        raise SettingRefused("out", str(arguments.out), "it exists already; choose a new folder.")
    try:
        write_csv_folder(data, arguments.out)
    except OSError as error:
        raise SettingRefused("out", str(arguments.out), f"it cannot be written ({error.strerror}).") from None
    facts = {"data": str(arguments.out), **_facts(data)}
    return facts, f"Wrote {_in_words(facts)} to {arguments.out}."


def _in_words(facts: dict[str, Any]) -> str:
    return f"{facts['formulas']:,} formulas, {facts['materials']:,} materials, {facts['nonzeros']:,} amounts"


def _check(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    reading = _read(arguments)
    facts = {**_facts(reading.data), "decisions": list(reading.decisions)}
    lines = [f"{facts['name']}: {_in_words(facts)}. No fault found."]
    for each in facts["properties"]:
        unit = f" in {each['unit']}" if each["unit"] else ""
        lines.append(f"  {each['name']}{unit}: {each['values']:,} values, {each['scale']} scale")
    return facts, "\n".join([*lines, *(f"- {sentence}" for sentence in reading.decisions)])


def _train(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from matrep_core.model.engine import check_device, named_engine
    from matrep_core.training import prepare

    settings = _settings(arguments)
    named_engine(arguments.engine, arguments.device)
    check_device(arguments.device)
    return _fit(prepare(arguments.out, _read_aloud(arguments), settings), arguments)


def _settings(arguments: argparse.Namespace) -> TrainingSettings:
    """The recipe's settings with those that were given; raises SettingRefused."""
    given = {f.name: getattr(arguments, f.name, None) for f in fields(TrainingSettings) if f.name not in _NAMED}
    changes = {name: value for name, value in given.items() if value is not None}
    return from_recipe(arguments.recipe, property=arguments.property, conditions=tuple(arguments.condition), also=tuple(arguments.also), **changes)


def _read_aloud(arguments: argparse.Namespace) -> Any:
    reading = _read(arguments)
    for sentence in reading.decisions:
        print(sentence, file=sys.stderr)
    return reading.data


def _study(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from threading import Event

    from matrep_core.evaluation.baselines import names
    from matrep_core.evaluation.report import document_of, in_words
    from matrep_core.limits import Bound
    from matrep_core.cluster import checked_scheduler
    from matrep_core.study import make_study, plan_of, run_study

    Bound(1, 64).check("workers", arguments.workers)
    checked_scheduler(arguments.scheduler)
    try:
        entries = [int(word) for word in arguments.entries.split(",")]
    except ValueError:
        raise SettingRefused("entries", arguments.entries, "give whole numbers separated by commas, for example 2,10,50.") from None
    data = _read_aloud(arguments)
    baselines = names() if arguments.baselines == "all" else [name for name in arguments.baselines.split(",") if name]
    plan = plan_of(data, _settings(arguments), entries, arguments.activation.split(","), arguments.splits, baselines)
    study, stop, ended = make_study(arguments.out, data, plan), Event(), 0

    def tell(name: str, words: str) -> None:
        nonlocal ended
        ended += 1
        print(f"[{ended}] {name} {words}", file=sys.stderr, flush=True)

    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        how = {"engine": arguments.engine, "device": arguments.device, "scheduler": arguments.scheduler}
        left = run_study(study, arguments.workers, **how, stop=stop, ended=tell)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if arguments.store:
        from matrep_core.publishing import push

        push(study.path, arguments.store)
    document = document_of(study, left)
    return document, in_words(document)


def _push(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from matrep_core.publishing import push

    stored = push(arguments.path, arguments.url, arguments.name)
    total = sum(entry.bytes for entry in stored.files.values())
    facts = {"name": stored.name, "kind": stored.kind, "version": stored.version, "files": len(stored.files), "bytes": total}
    return facts, f"{stored.name} is in {arguments.url}: {len(stored.files):,} files, {total / 2**20:.1f} MiB."


def _pull(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from matrep_core.publishing import pull

    path = pull(arguments.url, arguments.name, arguments.out)
    return {"path": str(path)}, f"{arguments.name} is in {path}, and every file is as its manifest says."


def _resume(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    run = _open(arguments.run_dir)
    if run.status().state == "done":
        print("This run is done already; here is its result.", file=sys.stderr)
        return _result(run)
    return _fit(run, arguments)


def _open(path: Path) -> Any:
    from matrep_core.runs.store import Run

    return Run(path)


def _fit(run: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from matrep_core.training import fit

    def ask_to_stop(*_: object) -> None:
        (run.path / "stop").touch()

    def report(status: Any) -> None:
        print(f"step {status.step:,} of {status.steps:,} in {status.seconds:.1f} s", file=sys.stderr, flush=True)

    before = {s: signal.signal(s, ask_to_stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = fit(run, engine=arguments.engine, device=arguments.device, report=report)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if status.state != "done":
        print(f"{status.message} python -m matrep_core resume {run.path}", file=sys.stderr)
    return _result(run)


def _result(run: Any) -> tuple[dict[str, Any], str]:
    _, facts = run.kept_model()
    status = run.status()
    scores = run.scores()
    document = {
        "run": str(run.path), "state": status.state, "steps": facts["last_step"], "best_step": facts["step"],
        "property": run.settings.property, "unit": run.unit, "scale": run.scale, "seconds": status.seconds,
        **scores, "last": facts["last_scores"], "mean_predictor": facts["mean_predictor"],
    }  # fmt: skip
    lines = [f"{run.path}: {status.state} after {facts['last_step']:,} steps, kept step {facts['step']:,}."]
    for part in ("full", "eval", "train"):
        each = scores[part]
        text = f"  {part:5}  mae {measured(each['mae'], run.unit)}  rmse {measured(each['rmse'], run.unit)}"
        text += f"  r2 {each['r2']:.3f}" if each["r2"] is not None else ""
        text += f"  log10 rmse {each['log10_rmse']:.3f}" if each.get("log10_rmse") is not None else ""
        lines.append(text + f"  ({each['measurements']:,} measurements)")
    lines.append(f"  always predicting the training mean would give eval mae {measured(facts['mean_predictor']['mae'], run.unit)}")
    return document, "\n".join(lines)


def _neighbours(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    from matrep_core.evaluation.results import Study
    from matrep_core.similarity.report import neighbours_report

    path = arguments.run_dir
    source = Study(path) if (path / "study.json").is_file() else _open(path)
    return neighbours_report(source, arguments.material, arguments.k, arguments.by, arguments.metric)


def _substitute(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from matrep_core.whatif.report import substitute_report
    from matrep_core.whatif.substitute import Wish

    a = arguments
    wish = Wish(a.amount, a.low, a.high, a.same_function, a.in_stock, tuple(a.never))
    return substitute_report([_open(path) for path in (a.run_dir, *a.also)], a.formula, a.old, a.new, wish, a.k)


def _place(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    from matrep_core.whatif.place import place_report

    run = _open(arguments.run_dir)
    arguments.property, arguments.condition = [run.settings.property], list(run.settings.conditions)
    return place_report(run, _read_aloud(arguments))


def _merge(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from matrep_core.whatif.merge_report import merge_report

    def tell(share: float) -> None:
        print(f"{share:.0%} of the splits trained", file=sys.stderr, flush=True)

    a = arguments
    return merge_report(_open(a.run_dir), a.groups, a.most, a.together, a.splits, a.out, tell)


def _export(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from matrep_core.views.export import export_run

    paths = [str(path) for path in export_run(_open(arguments.run_dir), arguments.out)]
    return {"files": paths}, "\n".join(paths)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = build_parser().parse_args(words)
    try:
        document, text = arguments.run(arguments)
    except MatRepError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    try:
        print(json.dumps(document, ensure_ascii=False, allow_nan=False) if arguments.json else text, flush=True)
    except BrokenPipeError:  # the reader (head, less) has seen enough; what the command made is there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
