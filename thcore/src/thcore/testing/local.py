"""A plugin out of a test, loaded as the worker loads one that is installed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from thcore.config import convert
from thcore.plugins import Plugins

__all__ = ["LocalPlugin", "load"]

NAME = "plugin"
"""What a plugin is called whose name is of no interest."""


@frozen
class LocalPlugin:
    """A plugin that is ready to be called."""

    name: str
    plugins: Plugins

    @property
    def object(self) -> object:
        """The plugin itself."""
        return self.plugins.get(self.name).plugin

    @property
    def hooks(self) -> frozenset[str]:
        """Names of the hooks that it implements."""
        return self.plugins.get(self.name).hooks

    def options(self, written: Mapping[str, Any] | None = None) -> Any:
        """Options as a job writes them, as an instance of the plugin's class; None when it has none.

        Raises ConfigError, with what ``thcore config check`` says of them.
        """
        return self._structured(self.plugins.get(self.name).options, "thcore_job_options", written)

    def settings(self, written: Mapping[str, Any] | None = None) -> Any:
        """Worker-wide settings in the same way."""
        return self._structured(self.plugins.get(self.name).settings, "thcore_settings", written)

    def _structured(self, cls: type[Any] | None, hook: str, written: Mapping[str, Any] | None) -> Any:
        if cls is not None:
            return convert.structure(plain(written or {}), cls, self.name)
        if written:
            raise AssertionError(f"{hook} answers no class, but {self.name} is given {dict(written)}")
        return None


def load(plugin: object, name: str = NAME) -> LocalPlugin:
    """Load the object that an entry point would name, or the class that it is made of without arguments.

    Raises AssertionError with what ``thcore plugins`` would say of it when it cannot be loaded.
    """
    plugins = Plugins()
    if not plugins.add(name, plugin() if inspect.isclass(plugin) else plugin):
        raise AssertionError(str(plugins.problems[-1]))
    return LocalPlugin(name, plugins)


def plain(written: Any) -> Any:
    """What a test writes as options, as a YAML file has it: paths and the like are texts, and every sequence a list."""
    if isinstance(written, Mapping):
        return {key: plain(value) for key, value in written.items()}
    if isinstance(written, list | tuple | set | frozenset):
        return [plain(value) for value in written]
    return written if written is None or isinstance(written, bool | int | float | str) else str(written)
