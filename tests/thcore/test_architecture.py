from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = ("thcore", *sorted(path.name for path in ROOT.glob("thplugins_*") if (path / "src").is_dir()))
PROJECTS = "quickstart/shop"
"""Files of sample projects are no modules of ours."""

MODULES = [
    path
    for name in DISTRIBUTIONS
    for path in sorted((ROOT / name / "src").rglob("*.py"))
    if PROJECTS not in path.as_posix()
]
NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools_common", "core", "lib"}
HEAVY = ("sqlalchemy", "git", "gear", "jinja2", "yaml", "rich", "stevedore", "asyncio", "psutil")


Trees = Mapping[Path, ast.Module]


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def trees() -> Trees:
    return {path: ast.parse(path.read_text()) for path in MODULES}


def test_the_modules_of_every_distribution_are_looked_at() -> None:
    assert len(MODULES) > 100
    assert {label(path).split("/")[0] for path in MODULES} == set(DISTRIBUTIONS)


@pytest.mark.system
def test_the_rooms_import_each_other_downwards_only_and_every_library_has_its_home() -> None:
    """The contracts are in the workspace's pyproject.toml."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " kept, 0 broken" in done.stdout


def test_a_module_says_what_it_is_for_and_postpones_annotations(trees: Trees) -> None:
    assert [label(path) for path, tree in trees.items() if not ast.get_docstring(tree)] == []
    # What is loaded into the interpreter of a project must suit Python 3.6, which knows no such thing.
    expected = {path: [] if "observer" in path.parts else ["annotations"] for path in trees}
    assert [label(path) for path, tree in trees.items() if _futures(tree) != expected[path]] == []


def _futures(tree: ast.Module) -> list[str]:
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    return [alias.name for node in futures for alias in node.names]


def test_a_module_is_named_after_what_is_in_it_and_stays_small() -> None:
    assert [label(path) for path in MODULES if {path.stem, *path.relative_to(ROOT).parts} & NAMELESS] == []
    assert [label(path) for path in MODULES if len(path.read_text().splitlines()) >= 450] == []


def test_a_module_imports_absolutely_and_never_a_shell(trees: Trees) -> None:
    wrong = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            # The observer is loaded into other projects' interpreters, under a name that nobody else has.
            if isinstance(node, ast.ImportFrom) and node.level and "observer" not in path.parts:
                wrong.append(f"{label(path)}:{node.lineno} imports relatively")
            if isinstance(node, ast.keyword) and node.arg == "shell":
                asked = not isinstance(node.value, ast.Constant) or node.value.value is not False
                wrong += [f"{label(path)}:{node.value.lineno} asks for a shell"] if asked else []
    assert wrong == []


@pytest.mark.parametrize("module", ["thcore", "thcore.cli.main", "thcore.model", "thcore.errors"])
def test_starting_the_command_line_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", [path for path in MODULES if "cli" in path.parts and path.stem != "main"], ids=label)
def test_a_command_is_a_module_of_the_command_line_only(path: Path) -> None:
    """Nothing below the command line imports it."""
    name = f"thcore.cli.{path.stem}"
    users = [other for other in MODULES if name in other.read_text() and "cli" not in other.parts]
    assert [label(user) for user in users] == []
