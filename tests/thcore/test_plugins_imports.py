from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from thcore.plugins.imports import private_imports

PLUGIN = "class Plugin:\n    pass\n\nplugin = Plugin()\n"


def package(directory: Path, name: str, **modules: str) -> object:
    """A package with modules; answers the plugin in its module ``plugin``."""
    (directory / name).mkdir()
    for module, text in {"__init__": "", "plugin": "", **modules}.items():
        (directory / name / f"{module}.py").write_text(f"{text}\n{PLUGIN if module == 'plugin' else ''}")
    return importlib.import_module(f"{name}.plugin").plugin


@pytest.mark.parametrize(
    "line",
    [
        "import thcore",
        "from thcore import __version__, errors, hooks",
        "from thcore.hooks import hookimpl",
        "from thcore.model.document import to_json",
        "import thcore.testing.contract",
        "from thcore.pages import site",
        "from thcore.model import *",
        "from . import plugin",
    ],
)
def test_what_is_public_may_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"public_{abs(hash(line))}"

    assert private_imports(package(tmp_path, name, other=line)) == []


@pytest.mark.parametrize(
    ("line", "imported"),
    [
        ("import thcore.pipeline", "thcore.pipeline"),
        ("from thcore import config", "thcore.config"),
        ("from thcore.process.interrupt import Interrupt", "thcore.process.interrupt.Interrupt"),
        ("from thcore.hooks.build import Build", "thcore.hooks.build.Build"),
        ("def late():\n    from thcore.builtin import git", "thcore.builtin.git"),
        ("from thcore.hooks import Thing", "thcore.hooks.Thing"),
        ("from thcore.model.finding import Finding", "thcore.model.finding.Finding"),
        ("from thcore.plugins import *", "thcore.plugins.*"),
    ],
)
def test_every_module_of_a_plugins_package_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, imported: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"private_{abs(hash(line))}"

    (found,) = private_imports(package(tmp_path, name, other=line))

    assert found == f"{tmp_path / name / 'other.py'}:{line.count(chr(10)) + 1}: {imported}"


def test_thcore_itself_needs_no_pytest() -> None:
    program = "import sys, thcore.testing, thcore.cli.main; sys.exit('pytest' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
