"""Distributions of third parties, as an installer leaves them: modules and a dist-info directory on ``sys.path``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import stevedore
from stevedore import _cache


class Site:
    """A directory on ``sys.path`` that distributions are put into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def install(
        self,
        distribution: str,
        entry_points: Mapping[str, str],
        modules: Mapping[str, str],
        *,
        version: str = "1.2.3",
        group: str = "thcore.plugins",
        requires: Iterable[str] = (),
    ) -> None:
        """Put modules (name to source) and the metadata of a distribution in place."""
        for name, source in modules.items():
            (self.path / f"{name}.py").write_text(source)
        metadata = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        told = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{needs}"
        (metadata / "METADATA").write_text(told)
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))

    def plugin(
        self,
        name: str,
        source: str,
        *,
        distribution: str | None = None,
        version: str = "1.2.3",
        requires: Iterable[str] = (),
    ) -> None:
        """Install a distribution with one plugin: its module's ``plugin``."""
        owner = distribution or f"acme-{name}"
        module = f"module_of_{owner}_{name}".replace("-", "_")
        self.install(owner, {name: f"{module}:plugin"}, {module: source}, version=version, requires=requires)


@contextmanager
def site(path: Path) -> Iterator[Site]:
    """A site that is there for a while. Nothing of it stays: neither modules nor what stevedore remembers."""
    made = Site(path)
    modules = set(sys.modules)
    disabled, _cache._c._disable_caching = _cache._c._disable_caching, True
    sys.path.insert(0, str(path))
    stevedore.ExtensionManager.ENTRY_POINT_CACHE.clear()
    try:
        yield made
    finally:
        sys.path.remove(str(path))
        stevedore.ExtensionManager.ENTRY_POINT_CACHE.clear()
        _cache._c._internal.clear()
        _cache._c._disable_caching = disabled
        for name in set(sys.modules) - modules:
            if name.startswith("module_of_"):
                del sys.modules[name]
