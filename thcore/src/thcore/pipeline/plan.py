"""A job's plugins and options, resolved and type-checked before any build runs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from attrs import frozen

from thcore.config import Config, JobConfig, job_options, plugin_settings
from thcore.errors import ConfigError
from thcore.model import PluginInfo, StageName
from thcore.plugins import DISABLE, Plugins, candidates

SINGLE = (StageName.CHECKOUT, StageName.ENVIRONMENT, StageName.EXECUTE)
"""Stages that exactly one plugin of a job does."""

REQUIRED = (StageName.CHECKOUT, StageName.EXECUTE)


@frozen
class Plan:
    """How builds of one job are done.

    ``plugins`` are the job's plugins in the order in which the job lists them. ``stages`` names the plugins of each
    stage. ``options`` and ``settings`` are instances of the plugins' own classes, None where a plugin has none.
    ``timeout_s`` is None for no limit.
    """

    job: str
    plugins: tuple[str, ...]
    stages: Mapping[StageName, tuple[str, ...]]
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    infos: tuple[PluginInfo, ...] = ()
    timeout_s: float | None = None


def used_plugins(config: Config) -> frozenset[str]:
    """Names of all plugins that some job uses or that have settings: the only ones worth importing."""
    return frozenset(name for job in config.jobs for name in job.plugins) | frozenset(config.plugins)


def make_plans(config: Config, plugins: Plugins) -> dict[str, Plan]:
    """The plan of every job, by name. Raises ConfigError with all problems of all jobs at once."""
    problems: list[str] = []
    settings = _settings(config, plugins, problems)
    plans = {job.name: _plan(job, plugins, settings, problems) for job in config.jobs}
    if problems:
        raise ConfigError(*problems)
    return plans


def _settings(config: Config, plugins: Plugins, problems: list[str]) -> dict[str, Any]:
    settings = {}
    for name in sorted(used_plugins(config)):
        if _known(name, config, plugins, problems):
            cls = plugins.get(name).settings
            settings[name] = _collect(problems, partial(plugin_settings, config, name, cls))
    return settings


def _plan(job: JobConfig, plugins: Plugins, settings: Mapping[str, Any], problems: list[str]) -> Plan:
    options = {}
    for name in job.plugins:
        # A plugin that is not there at all was reported with the settings.
        if name in settings:
            cls = plugins.get(name).options
            options[name] = _collect(problems, partial(job_options, job, name, cls))
    names = tuple(options)
    stages = {stage: _stage(job, stage, names, plugins, problems) for stage in StageName}
    return Plan(
        job.name,
        names,
        stages,
        options,
        {name: settings[name] for name in names},
        tuple(plugins.get(name).info for name in names),
        job.timeout,
    )


def _stage(
    job: JobConfig, stage: StageName, names: Iterable[str], plugins: Plugins, problems: list[str]
) -> tuple[str, ...]:
    able = plugins.implementing(f"thcore_{stage.value}", names)
    chosen = job.stages.get(stage.value)
    if chosen is not None:
        did_not_load = chosen in job.plugins and chosen not in plugins.names  # told already
        if chosen not in able and not did_not_load:
            problems.append(
                f"{job.where}.stages.{stage.value}: {chosen} is not a plugin of this job that does this stage;"
                f" {_list(able) or 'none of its plugins'} could"
            )
        return (chosen,)
    if stage not in SINGLE:
        return able
    if len(able) > 1:
        problems.append(
            f"{job.where}: {_list(able)} can all do the {stage.value} stage;"
            f" choose one, for example stages: {{{stage.value}: {able[0]}}}"
        )
    elif not able and stage in REQUIRED and not _broken(job, plugins):
        others = plugins.implementing(f"thcore_{stage.value}")
        hint = f"; {_list(others)} could" if others else "; install a plugin that does it (see thcore plugins)"
        problems.append(f"{job.where}: no plugin of this job does the {stage.value} stage{hint}")
    return able


def _broken(job: JobConfig, plugins: Plugins) -> bool:
    """Whether a plugin of the job did not load: the stage it would have done is then no news."""
    return any(name not in plugins.names for name in job.plugins)


def _known(name: str, config: Config, plugins: Plugins, problems: list[str]) -> bool:
    if name in plugins.names:
        return True
    where = next((f"{job.where}.plugins.{name}" for job in config.jobs if name in job.plugins), f"plugins.{name}")
    broken = [problem for problem in plugins.problems if problem.plugin == name]
    if broken:
        problems.extend(f"{where}: {problem}" for problem in broken)
        return False
    disabled = [candidate for candidate in plugins.disabled if candidate.name == name]
    if disabled:
        problems.append(f"{where}: plugin {disabled[0]} is disabled; take it out of {DISABLE} in the environment")
        return False
    installed = [candidate.name for candidate in candidates()]
    close = difflib.get_close_matches(name, installed, n=1)
    missing = f"a package missing? pip install {_package(name)}"
    hint = f"did you mean {close[0]}, or is {missing}" if close else f"is {missing}"
    problems.append(f"{where}: no such plugin is installed; {hint}")
    return False


def _package(name: str) -> str:
    return "thplugins-" + name.replace("_", "-")


def _collect(problems: list[str], read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def _list(names: Iterable[str]) -> str:
    *front, last = list(names) or [""]
    return f"{', '.join(front)} and {last}" if front else last
