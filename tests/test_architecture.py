"""The rooms of ARCHITECTURE.md: no arrow runs back, pages stay light, nothing can run code from a file."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    [ROOT / "app.py", *(file for part in ("matrep_core", "matrep_ui", "pages") for file in (ROOT / part).rglob("*.py"))]
)
SCRIPTS = SOURCES + sorted((ROOT / "benchmarks").rglob("*.py"))
PAGES = sorted((ROOT / "pages").glob("*.py"))

# Each room and the rooms that it may import; a room may always import itself.
BASE = {"matrep_core.errors", "matrep_core.limits", "matrep_core.settings", "matrep_core.sampling", "matrep_core.threads", "matrep_core.wording"}
ALLOWED: dict[str, set[str]] = {
    "matrep_core": set(),
    "matrep_core.errors": set(),
    "matrep_core.limits": {"matrep_core.errors"},
    "matrep_core.sampling": set(),
    "matrep_core.threads": set(),
    "matrep_core.wording": set(),
    "matrep_core.settings": {"matrep_core.errors", "matrep_core.limits"},
    "matrep_core.formulas": BASE,
    "matrep_core.model": BASE | {"matrep_core.formulas"},
    "matrep_core.runs": BASE | {"matrep_core.formulas"},
    "matrep_core.views": BASE | {"matrep_core.formulas", "matrep_core.runs", "matrep_core.views.ranks"},
    "matrep_core.views.ranks": set(),  # imports numba, which what pages build on must not load
    "matrep_core.evaluation": BASE | {"matrep_core.formulas", "matrep_core.model", "matrep_core.runs", "matrep_core.views"},
    "matrep_core.similarity": BASE
    | {"matrep_core.formulas", "matrep_core.model", "matrep_core.runs", "matrep_core.views", "matrep_core.evaluation"},
    "matrep_core.whatif": BASE
    | {"matrep_core.formulas", "matrep_core.model", "matrep_core.runs", "matrep_core.views", "matrep_core.similarity", "matrep_core.predictor"}
    | {"matrep_core.training", "matrep_core.evaluation"},
    "matrep_core.folds": BASE | {"matrep_core.formulas", "matrep_core.model", "matrep_core.runs"},
    "matrep_core.predictor": {"matrep_core.model", "matrep_core.runs"},
    "matrep_core.training": BASE | {"matrep_core.formulas", "matrep_core.model", "matrep_core.runs", "matrep_core.folds"},
    "matrep_core.jobs": BASE | {"matrep_core.formulas", "matrep_core.runs", "matrep_core.training", "matrep_core.publishing"},
    "matrep_core.cluster": BASE
    | {"matrep_core.formulas", "matrep_core.model", "matrep_core.runs", "matrep_core.training", "matrep_core.evaluation"},
    "matrep_core.publishing": BASE | {"matrep_core.runs", "matrep_core.evaluation"},
    "matrep_core.study": BASE
    | {"matrep_core.cluster", "matrep_core.publishing"}
    | {"matrep_core.formulas", "matrep_core.model", "matrep_core.runs", "matrep_core.training", "matrep_core.evaluation"},
    "matrep_core.cli": BASE
    | {"matrep_core.formulas", "matrep_core.runs", "matrep_core.training", "matrep_core.study", "matrep_core.views"}
    | {"matrep_core.jobs", "matrep_core.similarity", "matrep_core.evaluation", "matrep_core.whatif", "matrep_core.model", "matrep_core.cluster", "matrep_core.publishing"},
    "matrep_core.__main__": {"matrep_core.cli"},
    "matrep_ui": BASE
    | {"matrep_core.formulas", "matrep_core.runs", "matrep_core.views", "matrep_core.jobs", "matrep_core.similarity", "matrep_core.evaluation", "matrep_core.study"}
    | {"matrep_core.whatif", "matrep_core.publishing"},
    "pages": BASE
    | {"matrep_core.formulas", "matrep_core.runs", "matrep_core.views", "matrep_core.jobs", "matrep_ui"}
    | {"matrep_core.similarity", "matrep_core.evaluation", "matrep_core.study", "matrep_core.whatif", "matrep_core.publishing"},
    "app": {"matrep_ui", "matrep_core.threads"},
}


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The longest name in ALLOWED that the module lies in."""
    while module and module not in ALLOWED:
        module = module.rpartition(".")[0]
    return module


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported_modules(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, also inside functions; ``from a import b`` gives a.b where that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, node.module] if node.module else above)
            for alias in node.names:
                path = ROOT / source.replace(".", "/") / alias.name
                is_module = path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
                yield node.lineno, f"{source}.{alias.name}" if is_module else source


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of an attribute chain, "" of anything else."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def names_used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of every attribute chain, import aliases resolved."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.split(".")[0]
                aliases[alias.asname or head] = alias.name if alias.asname else head
        elif isinstance(node, ast.ImportFrom):
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)) and (name := dotted(node)):
            head, _, rest = name.partition(".")
            yield node.lineno, aliases.get(head, head) + (f".{rest}" if rest else "")


def places(found: list[str]) -> str:
    return "\n".join(found)


# Rooms --------------------------------------------------------------------------------------------


def test_no_arrow_runs_back():
    wrong = []
    for file in SOURCES:
        name = module_name(file)
        room = room_of(name)
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        if not room:
            wrong.append(f"{file.relative_to(ROOT)} is in no room of ALLOWED")
        for line, module in imported_modules(tree_of(file), package):
            if module.split(".")[0] not in {"matrep_core", "matrep_ui", "pages", "app", "tests", "benchmarks"}:
                continue
            if room_of(module) not in ALLOWED.get(room, set()) | {room}:
                wrong.append(f"{file.relative_to(ROOT)}:{line} ({room}) must not import {module}")
    assert not wrong, places(wrong)


def test_the_table_of_rooms_has_no_circle():
    above: dict[str, set[str]] = {}

    def reach(room: str, way: tuple[str, ...]) -> set[str]:
        assert room not in way, f"circle: {' -> '.join([*way, room])}"
        if room not in above:
            above[room] = {room}.union(*(reach(other, (*way, room)) for other in ALLOWED[room]))
        return above[room]

    for room in ALLOWED:
        reach(room, ())


def test_the_check_of_arrows_sees_imports_in_functions_aliases_and_relative_ones():
    code = "def f():\n from ..training import fit\n import matrep_ui.page as p\n from matrep_core import jobs\n"
    found = [module for _, module in imported_modules(ast.parse(code), "matrep_core.views")]
    assert found == ["matrep_core.training", "matrep_ui.page", "matrep_core.jobs"]


def test_the_core_never_imports_streamlit():
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {module}"
        for file in SOURCES
        if module_name(file).startswith("matrep_core")
        for line, module in imported_modules(tree_of(file), "")
        if module.split(".")[0] in {"streamlit", "altair"}
    ]
    assert not wrong, places(wrong)


def test_every_module_says_what_it_is_for():
    wrong = [str(f.relative_to(ROOT)) for f in SCRIPTS if not (ast.get_docstring(tree_of(f)) or "").strip()]
    assert not wrong, f"without a docstring: {places(wrong)}"


def test_the_map_names_every_file_and_no_other():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    in_rooms = {file.name for file in SOURCES if file.parent.name != "pages"} - {"__init__.py"}
    named = set(re.findall(r"\b([a-z_]+\.py)\b", text))
    assert not in_rooms - named, f"not in ARCHITECTURE.md: {sorted(in_rooms - named)}"
    every = {file.name for file in SOURCES} | {file.name for file in (ROOT / "tests").rglob("*.py")}
    assert not named - every, f"in ARCHITECTURE.md but not there: {sorted(named - every)}"


# Safety -------------------------------------------------------------------------------------------

RUNS_CODE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal"}
FORBIDDEN = {
    "joblib.load": "it runs code from the file",
    "torch.load": "it can run code from the file; use safetensors",
    "torch.save": "only torch.load reads it; use safetensors",
    "pandas.read_pickle": "it runs code from the file",
    "numpy.random.seed": "own generators, never the global seed",
    "random.seed": "own generators, never the global seed",
    "torch.manual_seed": "own generators, never the global seed",
    "torch.seed": "own generators, never the global seed",
    "fcntl.lockf": "it is a record lock: any close of the file frees it; use flock",
    "streamlit.html": "it takes markup",
    "streamlit.iframe": "it runs scripts",
    "streamlit.components.v1": "it runs scripts",
}


def forbidden_in(tree: ast.AST) -> list[tuple[int, str]]:
    found = []
    for line, module in imported_modules(tree, ""):
        if module.split(".")[0] in RUNS_CODE:
            found.append((line, f"{module}: it runs code from a file"))
    for line, name in names_used(tree):
        for bad, why in FORBIDDEN.items():
            if name == bad or name.startswith(f"{bad}."):
                found.append((line, f"{name}: {why}"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in {"eval", "exec"}:
            found.append((node.lineno, f"{dotted(node.func)}: it runs text"))
        if isinstance(node, ast.keyword):
            on = not (isinstance(node.value, ast.Constant) and node.value.value is False)
            if node.arg in {"allow_pickle", "unsafe_allow_html", "unsafe_allow_javascript", "shell"} and on:
                found.append((node.value.lineno, f"{node.arg}=…"))
    return found


def test_nothing_reads_a_file_that_could_run_code_and_no_markup_reaches_a_page():
    wrong = [
        f"{file.relative_to(ROOT)}:{line} {what}" for file in SCRIPTS for line, what in forbidden_in(tree_of(file))
    ]
    assert not wrong, places(wrong)


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "def f():\n    from pickle import loads",
        "import joblib as j\nj.load('x')",
        "from joblib import load\nload('x')",
        "import torch\ntorch.load('x', weights_only=True)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import numpy as np\nnp.random.seed(0)",
        "from numpy import random\nrandom.seed(0)",
        "import streamlit as st\nst.html('x')",
        "import streamlit as st\nst.markdown('x', unsafe_allow_html=True)",
        "import streamlit.components.v1 as components\ncomponents.html('x')",
        "import subprocess\nsubprocess.run('x', shell=True)",
        "eval('1')",
    ],
)
def test_the_check_of_safety_finds(code):
    assert forbidden_in(ast.parse(code))


def test_no_script_of_the_viewer_turns_text_into_markup_or_code():
    bad = re.compile(
        r"\.(inner|outer)HTML\s*\+?=(?!=)|insertAdjacentHTML|createContextualFragment|document\.write"
        r"|\beval\(|new Function\(|https?://(?!www\.w3\.org)"
    )
    wrong = [
        f"{file.relative_to(ROOT)}:{number} {line.strip()}"
        for file in sorted((ROOT / "matrep_ui").rglob("*.js")) + sorted((ROOT / "matrep_ui").rglob("*.css"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if bad.search(line)
    ]
    assert not wrong, places(wrong)


# Lightness ----------------------------------------------------------------------------------------

HEAVY = ("torch", "umap", "sklearn", "numba", "bofire")


def loaded_by(code: str, **environment: str) -> str:
    """What a process of its own prints that runs the code with ``heavy(names)`` at hand."""
    begin = "import sys\ndef heavy(names): return [name for name in names if name in sys.modules]\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", begin + code],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


OPEN_PAGES = """
from streamlit.testing.v1 import AppTest
for file in {files!r}:
    page = AppTest.from_file(file, default_timeout=120)
    for name, value in {address!r}.items(): page.query_params[name] = value
    page.run()
    assert not page.exception, (file, page.exception)
    assert not page.error, (file, [error.value for error in page.error])
    assert page.title, (file, 'the page did not begin')
    if heavy({names!r}): print(file, 'loads', heavy({names!r}))
"""


def test_opening_a_page_loads_nothing_heavy(tmp_path):
    code = OPEN_PAGES.format(files=[str(page) for page in PAGES], address={}, names=HEAVY)
    assert loaded_by(code, MATREP_ARTIFACTS=str(tmp_path)) == ""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_cosmetics) -> Path:
    """A folder of artifacts with one small finished run, two numbers a material."""
    from matrep_core.runs.store import runs_folder
    from matrep_core.settings import from_recipe
    from matrep_core.training import fit, prepare

    root = tmp_path_factory.mktemp("artifacts")
    settings = from_recipe("default", property="viscosity", n_entries=2, steps=40, frames=8)
    runs_folder(root).mkdir(parents=True, exist_ok=True)
    assert fit(prepare(runs_folder(root) / "run", small_cosmetics, settings), engine="reference").state == "done"
    return root


def test_opening_a_page_on_a_run_loads_no_torch_and_no_umap(trained):
    code = OPEN_PAGES.format(files=[str(p) for p in PAGES], address={"run": "run"}, names=("torch", "umap", "numba"))
    assert loaded_by(code, MATREP_ARTIFACTS=str(trained)) == ""


SCRUB = """
import gc
from streamlit.testing.v1 import AppTest
from matrep_core.runs.store import artifacts_root, open_run
from matrep_ui.looking import Look
page = AppTest.from_file({file!r}, default_timeout=120)
page.query_params["run"] = "run"
for step in open_run(artifacts_root(), "run").frame_steps():
    page.query_params["step"] = str(step)
    page.run()
    assert not page.exception and not page.error and page.title
gc.collect()
print(sum(isinstance(each, Look) for each in gc.get_objects()))
"""


def test_a_session_keeps_the_step_it_looks_at_and_none_before(trained):
    code = SCRUB.format(file=str(ROOT / "pages" / "materials.py"))
    assert int(loaded_by(code, MATREP_ARTIFACTS=str(trained))) <= 2


def test_no_widget_of_a_page_is_given_a_function_that_the_page_wrote():
    """Streamlit keeps the functions of every widget that a session has ever shown, and such a one keeps its whole page."""
    given = {"on_change", "on_click", "on_select", "format_func", "show"}
    wrong = []
    for file in PAGES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            for word in call.keywords:
                if word.arg in given and (isinstance(word.value, ast.Lambda) or getattr(word.value, "id", None) in own):
                    wrong.append(f"{file.relative_to(ROOT)}:{word.value.lineno} {word.arg}")
    assert not wrong, places(wrong)


def test_importing_what_pages_build_on_loads_nothing_heavy():
    modules = sorted(
        module_name(file)
        for file in SOURCES
        if room_of(module_name(file)) in ALLOWED["pages"] | {"matrep_core.training", "matrep_core.cli"}
    )
    assert "matrep_core.views.clustering" in modules and "matrep_core.jobs" in modules
    assert loaded_by(f"import {', '.join(modules)}\nprint(*heavy({HEAVY!r}))") == ""
