"""What the plugins of a configuration say of their own health."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from thcore.config import Config, plugin_settings
from thcore.errors import PluginError
from thcore.model import Finding, Severity
from thcore.pipeline.build import state_of
from thcore.pipeline.plan import Plan, make_plans, used_plugins
from thcore.plugins import Plugins


def health(config: Config) -> tuple[Finding, ...]:
    """Every check of every plugin that the configuration uses. Raises ConfigError when it cannot be used as it is."""
    plugins = Plugins.installed(used_plugins(config))
    plans = make_plans(config, plugins)  # what is wrong with the configuration itself comes first
    names = plugins.implementing("thcore_health")
    return tuple(finding for name in names for finding in _check(config, plugins, plans.values(), name))


def _check(config: Config, plugins: Plugins, plans: Iterable[Plan], name: str) -> tuple[Finding, ...]:
    settings = plugin_settings(config, name, plugins.get(name).settings)
    directories = config.directories
    options: list[Any] = []  # they need not have a hash
    for plan in plans:
        if name in plan.plugins and plan.options.get(name) not in options:
            options.append(plan.options.get(name))
    try:
        state = state_of(directories.state, name)
        return plugins.health(name, settings, state, directories.work_path, tuple(options))
    except PluginError as error:
        return (Finding("health-check-failed", Severity.UNVERIFIED, str(error), plugin=name),)
