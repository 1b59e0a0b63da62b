"""What the modules of a plugin import of thcore."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PUBLIC = ("thcore", "thcore.errors", "thcore.forms", "thcore.hooks", "thcore.model", "thcore.pages", "thcore.testing")
"""What plugins may import: of these what they export, and everything below the ones in ``_OPEN``."""

_FAKES = "thcore.testing.fakes"
_OPEN = ("thcore.forms.", "thcore.model.", "thcore.pages.", "thcore.testing.")


def private_imports(plugin: object) -> list[str]:
    """Each import of what is not public in the package that a plugin is written in: file, line and name."""
    name = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    package = _package(name)
    found = []
    for path in _files(package):
        tree = ast.parse(path.read_bytes(), str(path))
        for line, imported in _imports(tree):
            own = imported == package or imported.startswith(f"{package}.")
            if not own and not _public(imported):
                found.append(f"{path}:{line}: {imported}")
    return found


def _package(module: str) -> str:
    """The highest package that is one distribution's: not a namespace, and a room of thcore, not thcore. The fakes
    are a module of theirs."""
    parts = module.split(".")
    first = 1 if parts[0] != "thcore" else 3 if module == _FAKES else 2
    for length in range(first, len(parts) + 1):
        name = ".".join(parts[:length])
        if getattr(sys.modules.get(name), "__file__", None):
            return name
    return module


def _files(package: str) -> list[Path]:
    module = sys.modules.get(package)
    file = getattr(module, "__file__", None)
    if file is None:
        return []
    return sorted(Path(file).parent.rglob("*.py")) if hasattr(module, "__path__") else [Path(file)]


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every module that is imported from thcore, with its line. Relative imports stay inside their own package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *_submodules(node.module, [alias.name for alias in node.names])]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.partition(".")[0] == "thcore")


def _submodules(module: str, names: list[str]) -> list[str]:
    """Those of the names in ``from MODULE import NAMES`` that are modules."""
    if module != "thcore":
        return []
    return [f"{module}.{name}" for name in names if importlib.util.find_spec(f"{module}.{name}") is not None]


def _public(name: str) -> bool:
    return name in PUBLIC or name.startswith(_OPEN)
