"""The README is tested: each command, option, page, file and example in it exists, and the reverse."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from matrep_core.cli import build_parser
from matrep_core.formulas.reading import read_data
from matrep_core.formulas.schema import observations
from matrep_ui.page import PAGES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading of level 2, up to the next one."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def command_after(marker: str) -> str:
    found = re.findall(rf"<!-- {marker} -->\n```\n(.+)\n```", README)
    assert len(found) == 1, f"{marker} is there {len(found)} times"
    return found[0]


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


# Commands -----------------------------------------------------------------------------------------


def test_every_command_of_the_command_line_is_in_the_table_and_the_reverse():
    table = re.findall(r"^\| `([a-z]+)` \|", section("Command line"), re.MULTILINE)
    assert sorted(table) == sorted(subcommands())


def test_every_option_named_for_a_command_exists():
    for name, options in re.findall(r"^\| `([a-z]+)` \|.*\|(.*)\|$", section("Command line"), re.MULTILINE):
        for option in re.findall(r"`(--[a-z-]+)`", options):
            assert option in subcommands()[name]._option_string_actions, f"{name} {option}"


def test_every_example_of_the_command_line_is_accepted():
    lines = re.findall(r"^\.venv/bin/python -m matrep_core (.+)$", README, re.MULTILINE)
    assert {line.split()[0] for line in lines} == set(subcommands())
    for line in lines:
        build_parser().parse_args(line.split())


def test_the_two_commands_are_single_lines_over_files_that_exist():
    start, test = command_after("start command"), command_after("test command")
    assert start.endswith(".venv/bin/streamlit run app.py")
    assert test.endswith(".venv/bin/python -m pytest")
    for command in (start, test):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -r requirements.txt ")
        for name in re.findall(r"requirements[a-z-]*\.txt|app\.py", command):
            assert (ROOT / name).is_file()


def test_the_ci_script_runs_the_readmes_test_command(tmp_path):
    """The real script, in a folder where the command is a harmless one."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_bytes((ROOT / ".ci" / "run").read_bytes())
    text = README.replace(command_after("test command"), 'echo "ran in $PWD" && exit 7')
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    run = ["bash", str(tmp_path / ".ci" / "run")]
    done = subprocess.run(run, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "CHROMIUM": "/bin/true"})
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout.splitlines()[-1] == f"ran in {tmp_path}"

    (tmp_path / "README.md").write_text(README.replace("<!-- test command -->", ""), encoding="utf-8")
    done = subprocess.run(run, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "CHROMIUM": "/bin/true"})
    assert done.returncode == 1 and "no test command" in done.stderr


def test_the_torch_that_is_named_is_the_pinned_one():
    pinned = re.findall(r"^torch==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert re.findall(r"torch==(\S+)", README) == pinned


# Pages, files, pictures ---------------------------------------------------------------------------


def test_every_page_has_its_part_and_its_picture_and_the_reverse():
    parts = re.findall(r"^### (.+)$", section("Pages"), re.MULTILINE)
    assert parts == [entry.title for entry in PAGES]
    pictures = re.findall(r"^!\[The page (.+)\]\((.+)\)$", section("Pages"), re.MULTILINE)
    assert pictures == [(entry.title, f"docs/images/{entry.name}.png") for entry in PAGES]
    for _, path in pictures:
        content = (ROOT / path).read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 20_000, f"{path} is no picture of a page"
    assert {file.stem for file in (ROOT / "pages").glob("*.py")} == {entry.name for entry in PAGES}


@pytest.mark.parametrize("document", sorted(file.name for file in ROOT.glob("*.md")))
def test_every_file_that_a_document_names_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)
    paths = re.findall(r"`((?:matrep_core|matrep_ui|pages|tests|docs|\.streamlit|\.ci)/[\w./-]+)`", text)
    for name in {*links, *paths}:
        assert (ROOT / name).exists(), f"{document} names {name}"


# Data ---------------------------------------------------------------------------------------------


def test_the_example_data_can_be_read_as_written(tmp_path):
    examples = re.findall(r"^`(\w+\.csv)`.*\n(?:.*\n)*?\n```\n((?:.+\n)+)```", section("Data"), re.MULTILINE)
    assert [name for name, _ in examples] == ["formulas.csv", "properties.csv", "materials.csv"]
    for name, text in examples:
        (tmp_path / name).write_text(text, encoding="utf-8")
    data = read_data([tmp_path]).data
    assert data.formula_ids == ("F1", "F2")
    assert set(data.materials) == {"Water", "GLY01", "00123"}
    assert data.condition_columns == ("temperature",)
    assert list(observations(data, "viscosity", ["temperature"]).values) == [1250, 3.1]
    assert list(data.material_info["inci"]) == ["Carbomer", "Glycerin", "Aqua"]


def test_the_sets_that_are_there_have_the_size_that_is_stated():
    from matrep_core.formulas.cosmetics import generate_cosmetics

    data = generate_cosmetics().data
    formulas, materials = data.amounts.shape
    text = section("Data that is already there")
    assert f"{formulas:,} formulas" in text and f"{materials:,}" in text
    for each in data.properties:
        assert each.name in text
