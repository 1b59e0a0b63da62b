"""What the modules of a plugin import of thcore."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from thcore.plugins.public import public_names

_FAKES = "thcore.testing.fakes"


def private_imports(plugin: object) -> list[str]:
    """Each import of what is not public in the package that a plugin is written in: file, line and name."""
    name = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    package = _package(name)
    return [place for path in _files(package) for place in private_in(path, package)]


def private_in(path: Path, package: str = "") -> list[str]:
    """Each import of what is not public in a file: file, line and name. The ``package`` it belongs to is its own."""
    public = public_names()
    found = []
    for line, module, name in _imports(ast.parse(path.read_bytes(), str(path))):
        own = module == package or module.startswith(f"{package}.")
        if not own and not _is_public(module, name, public):
            found.append(f"{path}:{line}: {f'{module}.{name}' if name else module}")
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


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Every import from thcore: its line, the module, and the name that is taken out of it, if any.

    Relative imports stay inside their own package.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found = [(node.module, alias.name) for alias in node.names]
        else:
            continue
        yield from ((node.lineno, module, name) for module, name in found if module.partition(".")[0] == "thcore")


def _is_public(module: str, name: str, public: Mapping[str, tuple[str, ...]]) -> bool:
    if not name:  # import MODULE: a package is public as the way to what is below it
        return any(known == module or known.startswith(f"{module}.") for known in public)
    submodule = f"{module}.{name}"
    return (
        (name == "*" and module in public)
        or name in public.get(module, ())
        or any(known == submodule or known.startswith(f"{submodule}.") for known in public)
    )
