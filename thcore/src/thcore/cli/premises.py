"""The premises of a plugin's commands, from a configuration file."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen
from rich.console import Console

from thcore.cli.arguments import read_config
from thcore.cli.progress import BuildDisplay, build_display
from thcore.config import Config, plugin_settings
from thcore.hooks import Build
from thcore.hooks.premises import Premises
from thcore.model import BuildEventKind, BuildRequest, Change, Command, CommandResult, StageName
from thcore.pipeline.build import state_of
from thcore.pipeline.plan import Plan, make_plans, used_plugins
from thcore.plugins import Plugins
from thcore.process import foreground


def opened(plugin: str, config_file: Path | None) -> Premises:
    """The premises of a plugin. Raises ConfigError with all that is wrong with the configuration."""
    config = read_config(config_file)
    plugins = Plugins.installed(used_plugins(config) | {plugin})
    return ConfiguredPremises(plugin, config, plugins, make_plans(config, plugins))


@frozen(eq=False)
class ConfiguredPremises:
    """Implements ``thcore.hooks.Premises``."""

    plugin: str
    config: Config
    plugins: Plugins
    plans: Mapping[str, Plan]
    _displays: list[BuildDisplay] = field(factory=list, init=False, repr=False)

    @property
    def settings(self) -> Any:
        return plugin_settings(self.config, self.plugin, self.plugins.get(self.plugin).settings)

    @property
    def state(self) -> Path:
        path = state_of(self.config.directories.state, self.plugin)
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def jobs(self) -> Mapping[str, Any]:
        return {name: plan.options.get(self.plugin) for name, plan in self.plans.items() if self.plugin in plan.plugins}

    @contextmanager
    def build(self, job: str, change: Change, *, timed: bool = True) -> Iterator[Build]:
        from thcore.cli.attempt import attempt
        from thcore.pipeline import lifecycle

        if job not in self.jobs:
            raise KeyError(job)
        plan = self.plans[job] if timed else evolve(self.plans[job], timeout_s=None)
        name = uuid.uuid4().hex
        request = BuildRequest(name, job, change, {}, f"errand/{name[:7]}")
        console = Console(stderr=True)
        with (
            build_display(console) as display,
            attempt(self.config, plan, self.plugins, request) as (surroundings, workspace, interrupt),
            lifecycle.opened(request, 1, plan, surroundings, workspace, interrupt, display.hear) as made,
        ):
            self._displays[:] = [display]
            view = made.view(self.plugin, StageName.EXECUTE)
            # There is one stage: a bar on a terminal. In lines it is no news, unless it fails.
            if console.is_terminal:
                view.tell(BuildEventKind.STAGE_STARTED)
            result = "failed"
            try:
                yield view
                result = "ok"
            finally:
                if console.is_terminal or result == "failed":
                    view.tell(BuildEventKind.STAGE_ENDED, result)

    def foreground(self, command: Command) -> CommandResult:
        for display in self._displays:
            display.stop()
        return foreground(command)
