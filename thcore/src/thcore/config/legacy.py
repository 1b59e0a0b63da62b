"""turbo-hipster's configuration, ``config.json`` and ``config.yaml``, as thcore's.

Both of its forms are known: ``plugins`` as a list, where ``function`` names the job, and the later ``jobs``, where
``name`` does and ``plugin`` says what runs.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from thcore.config.convert import check, unknown_key
from thcore.config.place import Places
from thcore.config.problem import KeyPath, Problem, WrongError, value_text

_MIGRATION = ("gate_real_db_upgrade", "real_db_upgrade")
_SHELL = "shell_script"
_GONE = {
    "jjb_runner": "run the commands of the Jenkins job with shell_script",
    "recheck_stale_checks": "leave rechecks to Zuul",
}
_DATASETS = "/var/lib/turbo-hipster/datasets"
_SHELL_CHARACTERS = frozenset("|&;<>()$`*?[]{}~#!\n=")

_MEANINGLESS = {
    "pip_download_cache": "uv keeps its own cache",
    "logs": "the database servers that a build starts have their own logs, which are published with it",
    "flavor": "work is measured, not time, so no machine needs a baseline",
    "baseline_command": "work is measured, not time, so no machine needs a baseline",
}
_MEANINGLESS_SERVER = {
    "gerrit_site": "Zuul says with each build where to fetch the change",
    "zuul_site": "Zuul says with each build where to fetch the change",
}
_OWN_KEYS = ("gearman", "directories", "slots", "defaults", "secrets", "drain_timeout", "kill_grace", "log")
_SWIFT_NAMES = {"authurl": "auth_url", "prepend_url": "url"}


@frozen
class Translation:
    """A document in thcore's format, where its parts came from, and what there is to say about it."""

    content: dict[str, Any]
    places: Places
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def is_legacy(content: Mapping[str, Any]) -> bool:
    """Whether a document is in turbo-hipster's format."""
    own = any(key in content for key in _OWN_KEYS)
    return "zuul_server" in content or (isinstance(content.get("plugins"), list) and not own)


def translate(content: Mapping[str, Any], places: Places) -> Translation:
    """Translate a whole document. ``places`` says where its parts came from."""
    translator = _Translator(places)
    translator.document(content)
    return Translation(
        translator.content, translator.places, places.texts(translator.problems), tuple(translator.notes)
    )


class _Translator:
    def __init__(self, places: Places) -> None:
        self._old = places
        self.places = Places(places[()])
        self.content: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def document(self, content: Mapping[str, Any]) -> None:
        keys = self._keys(content, ())
        server = keys.take("zuul_server", dict, required=True)
        if server is not None:
            self._server(server)
        if debug_log := keys.take("debug_log", str | None):
            self._put(("log", "file"), debug_log, ("debug_log",))
            self._put(("log", "level"), "debug", ("debug_log",))
        if jobs_dir := keys.take("jobs_working_dir", str | None):
            self._put(("directories", "work"), jobs_dir, ("jobs_working_dir",))
        if git_dir := keys.take("git_working_dir", str | None):
            state = str(Path(git_dir) / "thcore")
            self._put(("directories", "state"), state, ("git_working_dir",))
            self.note(("git_working_dir",), f"everything that must survive a restart is kept in {state}")
        publish = keys.take("publish_logs", dict | None)
        if publish is not None:
            self._publish(publish)
        entries = [
            *((("plugins", index), entry) for index, entry in enumerate(keys.take("plugins", list | None) or ())),
            *((("jobs", index), entry) for index, entry in enumerate(keys.take("jobs", list | None) or ())),
        ]
        for path, entry in entries:
            self._job(entry, path)
        if not entries:
            self.problems.append(Problem(("plugins",), "required, but missing; list at least one plugin"))
        keys.take("conf_d", object)
        for key in _OWN_KEYS:
            if key in content:
                keys.take(key, object)
                text = "this is thcore's own format, zuul_server is turbo-hipster's; write all files in one format"
                self.problems.append(Problem((key,), text))
        keys.ignore(_MEANINGLESS)
        keys.finish()

    def _server(self, server: Mapping[str, Any]) -> None:
        keys = self._keys(server, ("zuul_server",))
        self._put(("defaults", "plugins", "git"), {}, ("zuul_server",))
        for key in ("git_url", "git_origin"):
            if base_url := keys.take(key, str | None):
                # turbo-hipster cloned from git_origin; git_url is its older name.
                self._put(("defaults", "plugins", "git", "base_url"), base_url, ("zuul_server", key))
        host = keys.take("gearman_host", str, required=True) or ""
        port = keys.take("gearman_port", int | None)
        if port == 0:
            self.note(("zuul_server", "gearman_port"), "no server listens on port 0; 4730 is used")
        host = f"[{host}]" if ":" in host else host
        self._put(("gearman", "servers"), [f"{host}:{port or 4730}"], ("zuul_server", "gearman_host"))
        keys.ignore(_MEANINGLESS_SERVER)
        keys.finish()

    def _publish(self, publish: Mapping[str, Any]) -> None:
        path = ("publish_logs",)
        keys = self._keys(publish, path)
        kind = keys.take("type", str, required=True)
        if kind == "local":
            plugin, names = "publish_local", {"path": "path", "prepend_url": "url"}
            keys.take("path", str, required=True)
            keys.take("prepend_url", str | None)
            keys.finish()
        elif kind == "swift":
            plugin, names = "publish_swift", {key: _SWIFT_NAMES.get(key, key) for key in publish if key != "type"}
        else:
            if kind is not None:
                text = f"expected local or swift, got {value_text(kind)}; use one of these, or thcore's own format"
                self.problems.append(Problem((*path, "type"), text))
            return
        target = ("defaults", "plugins", plugin)
        self._put(target, {}, path)
        for old, new in names.items():
            if publish.get(old) is not None:
                self._put((*target, new), publish[old], (*path, old))

    def _job(self, entry: Any, path: KeyPath) -> None:
        if isinstance(entry, str):
            entry = {"name": entry}
        if not isinstance(entry, Mapping):
            self.problems.append(Problem(path, f"expected a mapping with a name, got {value_text(entry)}"))
            return
        keys = self._keys(entry, path)
        index = len(self.content.setdefault("jobs", []))
        job: dict[str, Any] = {}
        self.content["jobs"].append(job)
        self.places.put(("jobs", index), self._old[path])
        plugin, function, name_key = self._names(keys, path)
        self.places.put(("jobs", index, "name"), self._old[(*path, name_key)])
        name, _, node = function.removeprefix("build:").partition(":")
        job["name"] = name
        if node:
            job["nodes"] = [node]
        if keys.take("shutdown-th", bool | None):
            job["shutdown_after"] = True
        job["plugins"] = self._plugins(keys, plugin, path, index)

    def _names(self, keys: _Keys, path: KeyPath) -> tuple[str, str, str]:
        """The plugin, the job's Gearman function and the key that the latter came from."""
        name = keys.take("name", str, required=True) or ""
        plugin = keys.take("plugin", str | None)
        function, old_function = keys.take("function", str | None), keys.take("job", str | None)
        if path[0] == "jobs" and not (function and plugin is None):
            return plugin or _SHELL, name, "name"
        if function or old_function:
            return name, function or old_function or "", "function" if function else "job"
        dashed = name.replace("_", "-")
        function = f"{dashed}_nova_mysql" if name in _MIGRATION else dashed
        if name:
            self.note(path, f"without function; it does the job {function}")
        return name, function, "name"

    def _plugins(self, keys: _Keys, plugin: str, path: KeyPath, index: int) -> dict[str, Any]:
        target: KeyPath = ("jobs", index, "plugins")
        for name in (plugin, "venv", "dbmigration", "shell", "exit_status"):
            self.places.put((*target, name), self._old[path])
        if plugin in _MIGRATION:
            datasets = keys.take("datasets_dir", str | None)
            if datasets is None:
                self.note((*path, "datasets_dir"), f"missing; {_DATASETS} is used")
            else:
                self.places.put((*target, "dbmigration", "datasets"), self._old[(*path, "datasets_dir")])
            keys.finish()
            return {"venv": {}, "dbmigration": {"datasets": datasets or _DATASETS}}
        if plugin == _SHELL:
            script = keys.take("shell_script", str, required=True)
            if script is not None and not script.strip():
                self.problems.append(Problem((*path, "shell_script"), "the command is empty; name a program"))
            self.places.put((*target, "shell", "script"), self._old[(*path, "shell_script")])
            self.note(
                (*path, "shell_script"),
                "the script is given no arguments of ours; checkout, directory for logs and the build's id are in "
                "$WORKSPACE, $LOG_DIR and $ZUUL_UUID",
            )
            keys.finish()
            return {"shell": {"script": self._words(script or "", (*path, "shell_script"))}, "exit_status": {}}
        if plugin in _GONE:
            self.problems.append(Problem(path, f"the plugin {plugin} has no successor; {_GONE[plugin]}"))
        # Somebody's own plugin: thcore has it if it was ported under the same name.
        return {plugin: keys.rest()}

    def _words(self, script: str, path: KeyPath) -> list[str]:
        """The words of a command. turbo-hipster gave it to a shell, so what needs one still gets one."""
        script = script.strip()
        if _SHELL_CHARACTERS.intersection(script):
            return ["/bin/sh", "-c", script]
        try:
            words = shlex.split(script)
        except ValueError as error:
            self.problems.append(Problem(path, f"{value_text(script)} is not a command: {error}; correct the quotes"))
            return []
        return words

    def _keys(self, content: Mapping[str, Any], path: KeyPath) -> _Keys:
        return _Keys(content, path, self)

    def _put(self, target: KeyPath, value: Any, source: KeyPath) -> None:
        *parents, last = target
        node = self.content
        for key in parents:
            node = node.setdefault(str(key), {})
        node[str(last)] = value
        self.places.put(target, self._old[source])

    def note(self, path: KeyPath, text: str) -> None:
        self.notes.append(f"{self._old[path]}: {text}")


@frozen
class _Keys:
    """The keys of one mapping, to be taken one by one."""

    content: Mapping[str, Any]
    path: KeyPath
    translator: _Translator
    taken: list[str] = field(factory=list)

    def take(self, key: str, kind: Any, *, required: bool = False) -> Any:
        """The value of a key; None when it is missing or wrong, which is then noted down as a problem."""
        self.taken.append(key)
        if key not in self.content:
            if required:
                self._problem(Problem((key,), "required, but missing; add it"))
            return None
        try:
            return check(self.content[key], kind)
        except WrongError as wrong:
            for problem in wrong.problems:
                self._problem(problem.below(key))
            return None

    def ignore(self, reasons: Mapping[str, str]) -> None:
        """Keys that mean nothing any more."""
        for key, reason in reasons.items():
            self.taken.append(key)
            if key in self.content:
                self.translator.note((*self.path, key), f"{reason}; ignored")

    def rest(self) -> dict[str, Any]:
        """What was not taken."""
        return {key: value for key, value in self.content.items() if key not in self.taken}

    def finish(self) -> None:
        """Everything else is a problem."""
        for key in self.rest():
            self._problem(Problem((key,), unknown_key(key, self.taken)))

    def _problem(self, problem: Problem) -> None:
        self.translator.problems.append(problem.below(*self.path))
