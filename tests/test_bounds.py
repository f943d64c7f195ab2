"""Every setting is refused one step outside its bound, by the core, the command and the page, before anything is written.

The cases come from the settings' own metadata and from the command line's own parser, so that new ones are tried too.
"""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from matrep_core import jobs
from matrep_core.cli import build_parser, main
from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.storage import save_dataset, write_csv_folder
from matrep_core.runs.store import list_runs
from matrep_core.settings import TrainingSettings, from_recipe
from matrep_core.training import prepare
from tests.conftest import PROJECT

BOUNDED = [each for each in fields(TrainingSettings) if "bound" in each.metadata]
CHOICES = [each for each in fields(TrainingSettings) if "choices" in each.metadata]


def outside(bound) -> list[float]:
    """One step below and above: 1 for whole numbers, the next float for the others."""
    if bound.whole:
        return [int(bound.low) - 1, int(bound.high) + 1]
    return [math.nextafter(bound.low, -math.inf), math.nextafter(bound.high, math.inf)]


def wrong_values() -> list[tuple[str, object]]:
    cases: list[tuple[str, object]] = []
    for each in BOUNDED:
        bound = each.metadata["bound"]
        never = [math.nan, 1e309, -1e309, True, False, "1", "", None, [1], 1j]
        cases += [(each.name, value) for value in [*outside(bound), *never, *([1.5] if bound.whole else [])]]
    for each in CHOICES:
        cases += [(each.name, value) for value in ("", each.metadata["choices"][0].upper() + " ", True, 0, None, math.nan)]
    cases += [("property", value) for value in ("", 0, True, None, math.nan)]
    cases += [("conditions", value) for value in ("pH", ["pH"], ("pH", "pH"), ("",), (1,), None)]
    return cases


def test_the_core_refuses_and_writes_nothing(small_cosmetics, tmp_path: Path, figures) -> None:
    good = from_recipe("default", property="viscosity")
    for name, value in wrong_values():
        bad = replace(good, **{name: value})
        for door in (
            lambda: from_recipe(**{"recipe": "default", "property": "viscosity", name: value}),
            lambda: prepare(tmp_path / "run", small_cosmetics, bad),
            lambda: jobs.start(tmp_path, small_cosmetics, bad),
        ):
            with pytest.raises(SettingRefused) as refused:
                door()
            assert refused.value.field == name, (name, value)
            assert name in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    figures.add(values_out_of_bounds_refused_by_the_core=len(wrong_values()))


@pytest.mark.parametrize("each", BOUNDED, ids=lambda each: each.name)
def test_both_ends_are_accepted(each) -> None:
    bound = each.metadata["bound"]
    for value in (bound.low, bound.high):
        from_recipe("default", property="viscosity", **{each.name: int(value) if bound.whole else value})


# --- the command line ---------------------------------------------------------------------------------------


def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


def number_options() -> list[tuple[str, argparse.Action]]:
    return [(name, a) for name, parser in commands().items() for a in parser._actions if a.type in (int, float) and a.option_strings]


def words_of(command: str, data: Path, out: Path, skip: str) -> list[str]:
    """The fewest words that the command takes."""
    words = [command]
    for action in commands()[command]._actions:
        if action.option_strings and not action.required or action.dest in (skip, "help"):
            continue
        value = {"data": data, "out": out, "property": "viscosity", "run_dir": out / "no-run", "material": "x"}.get(action.dest)
        words += action.option_strings[:1]
        words.append(str(value if value is not None else next(iter(action.choices)) if action.choices else data))
    return words


@pytest.fixture(scope="module")
def data_folder(small_cosmetics, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "laboratory"
    write_csv_folder(small_cosmetics, folder)
    return folder


def exit_of(words: list[str], capsys) -> tuple[int, str]:
    try:
        code = main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, capsys.readouterr().err


def test_the_command_refuses_every_setting_one_step_outside(data_folder: Path, tmp_path: Path, capsys, figures) -> None:
    flags = {a.dest: a.option_strings[0] for a in commands()["train"]._actions if a.option_strings}
    tried = 0
    for each in BOUNDED:
        bound = each.metadata["bound"]
        for value in [*map(repr, outside(bound)), "nan", "1e309", "-inf", "True", "text", "", *(["1.5"] if bound.whole else [])]:
            words = ["train", str(data_folder), "--property", "viscosity", "--out", str(tmp_path / "run"), f"{flags[each.name]}={value}"]
            code, said = exit_of(words, capsys)
            assert code in (1, 2) and (each.name in said or flags[each.name] in said), (each.name, value, said)
            tried += 1
    assert list(tmp_path.iterdir()) == []
    figures.add(values_out_of_bounds_refused_by_the_command=tried)


@pytest.mark.parametrize(("command", "action"), number_options(), ids=lambda x: x if isinstance(x, str) else x.dest)
def test_no_number_of_any_command_ends_in_a_trace(command: str, action, data_folder: Path, tmp_path: Path, capsys) -> None:
    for value in ("-1", "nan", "1e309", "True", "text", "99999999999999999999999"):
        words = [*words_of(command, data_folder, tmp_path / "out", action.dest), f"{action.option_strings[0]}={value}"]
        code, said = exit_of(words, capsys)
        assert code in (1, 2) and said and "Traceback" not in said, (words, said)
    assert not (tmp_path / "out").exists()


# --- the page -----------------------------------------------------------------------------------------------


def test_what_a_changed_browser_sends_never_reaches_a_run(small_cosmetics, tmp_path: Path, monkeypatch, figures) -> None:
    """The fields of the page take no such value (tests/browser/test_bounds_page.py); here it is sent all the same.

    Streamlit then goes back to the field's own default, or the page refuses; no run has ever the value that was sent.
    """
    monkeypatch.setenv("MATREP_ARTIFACTS", str(tmp_path))
    save_dataset(small_cosmetics, [], tmp_path)
    page = AppTest.from_file(str(PROJECT / "pages" / "train.py"), default_timeout=300).run()
    bounds = {f"default {each.name}": each for each in BOUNDED}
    inputs = [field.key for field in page.number_input if field.key in bounds]
    assert len(inputs) >= 12
    for end in (0, 1):
        for key in inputs:
            page.number_input(key=key).set_value(outside(bounds[key].metadata["bound"])[end])
        (train,) = (button for button in page.button if button.label == "Train")
        train.click().run()
        assert not page.exception
        begun = list_runs(tmp_path)[0]
        assert begun or page.error
        for run in begun:
            run.settings.checked()
            with suppress(NotThere):  # it may be stopped already
                jobs.stop(tmp_path, run.id)
    figures.add(values_out_of_bounds_sent_to_the_page=2 * len(inputs), that_reached_a_run=0)
