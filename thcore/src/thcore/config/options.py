"""The part of the configuration that belongs to plugins: read with their own classes, shown without secrets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from thcore.config import document
from thcore.config.convert import changed, check, unstructure
from thcore.config.problem import Problem, WrongError, at
from thcore.config.schema import Config, JobConfig
from thcore.errors import ConfigError

ClassOf = Callable[[str], type[Any] | None]
"""Answers the options class, or the settings class, of a plugin by name. Raises LookupError for an unknown plugin."""


def job_options(job: JobConfig, plugin: str, cls: type[Any] | None) -> Any:
    """The options that a job gives a plugin, as an instance of ``cls``; None when ``cls`` is None.

    Raises ConfigError with all problems; each names the key where it was written, in the job or in the defaults.
    """
    places = job.option_places.get(plugin, {})
    return _instance(job.plugins.get(plugin, {}), cls, places, at(job.where, ("plugins", plugin)))


def plugin_settings(config: Config, plugin: str, cls: type[Any] | None) -> Any:
    """The worker-wide settings of a plugin, as an instance of ``cls``; None when ``cls`` is None.

    A plugin that the configuration does not mention gets the defaults of ``cls``. Raises ConfigError with all problems.
    """
    file = str(config.files[0]) if config.files else "configuration"
    place = config.setting_places.get(plugin, at(file, ("plugins", plugin)))
    return _instance(config.plugins.get(plugin, {}), cls, {}, place)


def changed_options(options: Any, values: Mapping[str, Any], where: str) -> Any:
    """A plugin's options with the given keys laid over them, as a job's keys are laid over the defaults.

    ``options`` is an instance of the plugin's class, or None when it takes none; ``where`` is the place of ``values``.
    Raises ConfigError with all problems.
    """
    try:
        if not isinstance(values, Mapping):
            raise WrongError.expected("a mapping", values)
        return _none(values) if options is None else changed(options, values)
    except WrongError as wrong:
        raise ConfigError(*(_text(problem, {}, where) for problem in wrong.problems)) from None


def written_option(options: Any, key: str, text: str, where: str) -> Any:
    """A plugin's options with one of them as somebody has written it on a command line: as text where it can be text,
    so that ``007`` needs no quotes, else as YAML has it. Raises ConfigError as ``changed_options`` does."""
    with contextlib.suppress(ConfigError):
        return changed_options(options, {key: text}, where)
    read = document.parse(text.encode(), where)
    if read.problems:
        raise ConfigError(*(f"{at(where, (key, *problem.path))}: {problem.text}" for problem in read.problems))
    return changed_options(options, {key: read.content}, where)


def _none(options: Mapping[str, Any]) -> None:
    """The options of a plugin that takes none."""
    if options:
        raise WrongError(*(Problem((key,), "unknown key; the plugin takes none, remove it") for key in options))


def _instance(options: Mapping[str, Any], cls: type[Any] | None, places: Mapping[str, str], place: str) -> Any:
    place = places.get("", place)
    try:
        return _none(options) if cls is None else check(options, cls)
    except WrongError as wrong:
        raise ConfigError(*(_text(problem, places, place) for problem in wrong.problems)) from None


def _text(problem: Problem, places: Mapping[str, str], place: str) -> str:
    first, *rest = problem.path or ("",)
    if isinstance(first, str) and first and first in places:
        return f"{at(places[first], rest)}: {problem.text}"
    return f"{at(place, problem.path)}: {problem.text}"


def shown(config: Config, options_of: ClassOf, settings_of: ClassOf) -> dict[str, Any]:
    """The whole configuration as plain data fit for showing, defaults applied: no secret is in it.

    Options of plugins that are not installed, or that are wrong, may hold secrets without anybody knowing which; of
    those only the keys are shown.
    """
    data: dict[str, Any] = unstructure(config)
    for name in config.plugins:
        with contextlib.suppress(LookupError, ConfigError):
            data["plugins"][name] = _plain(plugin_settings(config, name, settings_of(name)))
    for job, job_data in zip(config.jobs, data["jobs"], strict=True):
        for name in job.plugins:
            with contextlib.suppress(LookupError, ConfigError):
                job_data["plugins"][name] = _plain(job_options(job, name, options_of(name)))
    return data


def _plain(instance: Any) -> Any:
    return {} if instance is None else unstructure(instance)
