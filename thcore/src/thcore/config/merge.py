"""Several documents into one, and defaults into jobs; what came from where is remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from thcore.config.place import Places
from thcore.config.problem import KeyPath, Problem, at, key_text, kind_text

APPENDED = ("jobs", "plugins")
"""Lists at the top of a file that grow with each file of conf.d; any other list is replaced."""


def lay_over(base: dict[str, Any], extra: Mapping[str, Any], places: Places, where: str) -> Iterator[str]:
    """Merge ``extra``, which came from the file ``where``, into ``base``. Yields problems, with their places."""
    for key, value in extra.items():
        here = at(where, (key,))
        old = base.get(key)
        if key == "conf_d":
            yield f"{here}: only the main file may name a directory; remove it here"
        elif key in APPENDED and isinstance(old, list) and isinstance(value, list):
            for index in range(len(value)):
                places.put((key, len(old) + index), at(where, (key, index)))
            base[key] = [*old, *value]
        elif key in APPENDED and old is not None and type(old) is not type(value):
            yield f"{here}: {kind_text(value)} here, but {kind_text(old)} in {places[(key,)]}; write both alike"
        else:
            base[key] = _merged(old, value, places, (key,), where)


def _merged(old: Any, new: Any, places: Places, path: KeyPath, where: str) -> Any:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        places.put(path, at(where, path))
        return new
    result = dict(old)
    for key, value in new.items():
        result[key] = _merged(old.get(key), value, places, (*path, key), where)
    return result


def apply_defaults(content: dict[str, Any], places: Places) -> Iterator[Problem]:
    """Lay every job of a document over its defaults.

    Values of the wrong kind are left alone: the converter says what is wrong with them.
    """
    jobs = content.get("jobs")
    defaults = dict(_mapping(content.get("defaults")))
    if isinstance(plugins := defaults.get("plugins"), Mapping):
        defaults["plugins"] = {name: _given(options) for name, options in plugins.items()}
        content["defaults"] = defaults
    if isinstance(jobs, list):
        content["jobs"] = list(jobs)
        for index, job in enumerate(jobs):
            if isinstance(job, Mapping):
                content["jobs"][index] = merged = dict(job)
                if "timeout" in defaults and "timeout" not in job:
                    merged["timeout"] = defaults["timeout"]
                    places.copy(("defaults", "timeout"), ("jobs", index, "timeout"))
                yield from _plugins(merged, _mapping(defaults.get("plugins")), places, index)
                yield from _stages(merged, _mapping(defaults.get("stages")), places, index)


def _plugins(job: dict[str, Any], defaults: Mapping[str, Any], places: Places, index: int) -> Iterator[Problem]:
    own = job.get("plugins", {})
    if not isinstance(own, Mapping):
        return
    path: KeyPath = ("jobs", index, "plugins")
    own_places = {(name, key): places[(*path, name, key)] for name in own for key in _mapping(own[name])}
    result = dict(defaults)
    for name in defaults:
        if name not in own:
            places.copy(("defaults", "plugins", name), (*path, name))
    for name, value in own.items():
        options = _given(value)
        if options is False:
            if name not in defaults:
                text = "nothing to remove, defaults have no such plugin; leave false out to use it without options"
                yield Problem((*path, name), text)
            result.pop(name, None)
        elif isinstance(options, Mapping) and isinstance(defaults.get(name), Mapping):
            result[name] = {**defaults[name], **options}
            for key in defaults[name]:
                if key not in options:
                    places.copy(("defaults", "plugins", name, key), (*path, name, key))
            for key in options:
                places.put((*path, name, key), own_places[name, key])
        else:
            result[name] = options
    job["plugins"] = result
    if not result:
        yield Problem(path, "the job has no plugins; name at least one that executes something")


def _stages(job: dict[str, Any], defaults: Mapping[str, Any], places: Places, index: int) -> Iterator[Problem]:
    own, plugins = job.get("stages", {}), _mapping(job.get("plugins"))
    if not isinstance(own, Mapping):
        return
    for stage, plugin in own.items():
        if isinstance(plugin, str) and plugin not in plugins:
            known = f"the job has {', '.join(key_text(each) for each in plugins)}" if plugins else "the job has none"
            yield Problem(("jobs", index, "stages", stage), f"the job has no plugin {key_text(plugin)}; {known}")
    inherited = {
        stage: plugin
        for stage, plugin in defaults.items()
        # A default choice of a plugin that this job does not have says nothing about it.
        if stage not in own and isinstance(plugin, str) and plugin in plugins
    }
    for stage in inherited:
        places.copy(("defaults", "stages", stage), ("jobs", index, "stages", stage))
    if inherited:
        job["stages"] = {**inherited, **own}


def _given(options: Any) -> Any:
    """The options of a plugin; in YAML, a name with nothing behind it is a plugin without options."""
    return {} if options is None else options


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
