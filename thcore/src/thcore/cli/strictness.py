"""``thcore serve --strict``: what else would only be noticed when it fails a build keeps a worker from starting."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from thcore.cli.findings import broken
from thcore.cli.health import health
from thcore.config import Config
from thcore.deprecation import ThcoreDeprecation
from thcore.errors import ConfigError
from thcore.plugins import Plugins
from thcore.plugins.discovery import disabled_in_vain


def insist(config: Config) -> None:
    """Raise ConfigError with everything that is not as it should be.

    An installed plugin that cannot be loaded, though no job names it; one that uses what the next release has not; a
    health check that fails; a name that disables no plugin.
    """
    problems = [*_plugins(), *disabled_in_vain()]
    problems += [
        ": ".join(filter(None, (finding.plugin, finding.message, finding.hint, finding.command)))
        for finding in health(config)
        if broken((finding,))
    ]
    if problems:
        raise ConfigError(*(f"--strict: {problem}" for problem in problems))


def _plugins() -> Iterator[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plugins = Plugins.installed()
    yield from map(str, plugins.problems)
    for warning in caught:
        if issubclass(warning.category, ThcoreDeprecation):
            yield f"{warning.filename}:{warning.lineno}: {warning.message}"
