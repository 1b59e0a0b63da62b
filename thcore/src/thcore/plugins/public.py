"""What plugins may import of thcore: the names that a public module lists in ``__all__``.

Found by reading, not by importing: some of it needs pytest.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import thcore

ROOMS = ("errors", "forms", "hooks", "model", "pages", "testing")
"""The rooms of thcore that have public modules, beside ``thcore`` itself. A module without ``__all__`` is private."""


@cache
def public_names() -> Mapping[str, tuple[str, ...]]:
    """The public modules of thcore, each with its public names, sorted."""
    root = Path(thcore.__file__).parent
    found = {}
    for path in [root / "__init__.py", *_sources(root)]:
        names = _listed(ast.parse(path.read_bytes(), str(path)))
        if names is not None:
            found[_module(path.relative_to(root.parent))] = tuple(sorted(names))
    return dict(sorted(found.items()))


def _sources(root: Path) -> Iterator[Path]:
    for room in ROOMS:
        single = root / f"{room}.py"
        yield from [single] if single.is_file() else (root / room).rglob("*.py")


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _listed(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None
