"""Walks a project's Alembic revisions, inside the project's own interpreter.

It is started as a program, never imported by thcore: standard library, the project's Alembic, and Python 3.8 or later.
What it says goes over the socket that ``THCORE_CHANNEL`` names, one JSON object a line, and it waits for a line in
answer to each. Standard output belongs to the project's env.py, which may print what it likes.

The first line asks for the task. It is answered with an object: ``mode`` (``plan`` or ``walk``), ``config`` (path or
null), ``section``, ``script_location`` (or null), ``url_option``, ``urls`` (a list of module, URL; the first whose
module is installed is taken), ``x`` (arguments of ``alembic -x``), ``steps`` (revisions to walk).
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import os
import socket
import sys
import traceback
import weakref
from typing import Any, TextIO

LONGEST = 2000


class Channel:
    """The line to thcore. Programs that the migrations start do not get it."""

    def __init__(self) -> None:
        number = int(os.environ.pop("THCORE_CHANNEL"))
        os.set_inheritable(number, False)  # noqa: FBT003 - takes no keywords
        self._socket = socket.socket(fileno=number)
        self._reader: TextIO = self._socket.makefile("r", encoding="utf-8")

    def ask(self, **message: Any) -> str:
        """Send an object and wait for the line that answers it. Ends the program when nobody is there any more."""
        self._socket.sendall(json.dumps(message).encode("utf-8") + b"\n")
        answer = self._reader.readline()
        if not answer:
            os._exit(70)
        return answer.strip()


class NoDriverError(Exception):
    """None of the database drivers is installed where the project is."""


def main() -> int:
    channel = Channel()
    task = json.loads(channel.ask(event="ready"))
    # The directory of this file must not be searched: it is no part of the project. The working directory comes last,
    # so that a directory called alembic in it hides nothing.
    if sys.path[:1] == [os.path.dirname(os.path.abspath(__file__))]:  # noqa: PTH100, PTH120 - as above
        del sys.path[0]
    sys.path.append(os.getcwd())  # noqa: PTH109 - one import less in the project's interpreter
    try:
        config = configuration(task)
        from alembic.script import ScriptDirectory

        script = ScriptDirectory.from_config(config)
        if task["mode"] == "plan":
            channel.ask(event="plan", **plan(config, script))
            return 0
    except BaseException as error:  # noqa: BLE001 - a script may raise anything, SystemExit as well
        traceback.print_exc()
        channel.ask(event="unusable", kind=kind_of(error), error=described(error))
        return 1
    return walk(channel, config, script, task["steps"])


def configuration(task: dict[str, Any]) -> Any:
    """Alembic's Config, as its own command would make it, with the database's URL put in."""
    from alembic.config import Config

    options = argparse.Namespace(x=task["x"] or None, config=task["config"], name=task["section"], raiseerr=True)
    more: dict[str, Any] = {}
    if "toml_file" in inspect.signature(Config.__init__).parameters and os.path.exists("pyproject.toml"):  # noqa: PTH110
        more["toml_file"] = "pyproject.toml"
    config = Config(task["config"], ini_section=task["section"], cmd_opts=options, **more)
    if task["script_location"]:
        config.set_main_option("script_location", task["script_location"])
    url = database_url(task["urls"])
    if task["url_option"]:
        config.set_main_option(task["url_option"], url.replace("%", "%%"))
    os.environ["THCORE_DATABASE_URL"] = url
    os.environ.setdefault("DATABASE_URL", url)
    return config


def database_url(urls: list[list[str]]) -> str:
    """The URL of the first driver that is installed."""
    for module, url in urls:
        try:
            if not module or importlib.util.find_spec(module) is not None:
                return url
        except ImportError:  # the package that the module is in is missing
            continue
    raise NoDriverError(", ".join(module for module, _ in urls))


def plan(config: Any, script: Any) -> dict[str, Any]:
    """Where the database is, where the scripts lead, and the steps between. Runs env.py, which connects."""
    from alembic.runtime.environment import EnvironmentContext

    current: set[str] = set()
    tables: set[str] = set()

    def look(_revision: Any, context: Any) -> list[Any]:
        current.update(context.get_current_heads())
        schema = getattr(context, "version_table_schema", None)
        tables.add(f"{schema}.{context.version_table}" if schema else context.version_table)
        return []

    with EnvironmentContext(config, script, fn=look, dont_mutate=True):
        script.run_env()
    revisions = list(script.walk_revisions())
    unknown = current - {revision.revision for revision in revisions}
    if unknown:
        raise LookupError(f"the database is at {', '.join(sorted(unknown))}, which the project's scripts do not have")
    needs = {revision.revision: needed(script, revision) for revision in revisions}
    inside = {parent for parents in needs.values() for parent in parents}
    return {
        "current": sorted(current),
        "tables": sorted(tables),
        "head": [version for version in needs if version not in inside],
        "implied": [version for version in needs if version in inside],
        "steps": [
            {
                "version": revision.revision,
                "parents": sorted(as_tuple(revision.down_revision)),
                "title": str(revision.doc or "")[:200],
                "path": os.path.abspath(revision.path),  # noqa: PTH100 - as above
            }
            for revision in ahead(revisions[::-1], needs, current)
        ],
    }


def ahead(revisions: list[Any], needs: dict[str, list[str]], current: set[str]) -> list[Any]:
    """The revisions that a database at ``current`` does not have, each after all that it needs. Otherwise in the order
    of ``revisions``, oldest first. Worked out here, because Alembic's own ways differ from version to version."""
    done: set[str] = set()
    look = list(current)
    while look:
        version = look.pop()
        if version not in done:
            done.add(version)
            look.extend(needs[version])
    steps: list[Any] = []
    waiting = [revision for revision in revisions if revision.revision not in done]
    while waiting:
        later = []
        for revision in waiting:
            if done.issuperset(needs[revision.revision]):
                done.add(revision.revision)
                steps.append(revision)
            else:
                later.append(revision)
        if len(later) == len(waiting):
            raise LookupError(f"these revisions need each other: {', '.join(item.revision for item in later)}")
        waiting = later
    return steps


def needed(script: Any, revision: Any) -> list[str]:
    """The revisions that must be there before ``revision``: its parents, and what it depends on."""
    found = list(as_tuple(revision.down_revision))
    for name in as_tuple(getattr(revision, "dependencies", None)):
        found.extend(other.revision for other in script.get_revisions(name))
    return found


def walk(channel: Channel, config: Any, script: Any, steps: list[str]) -> int:
    """Run one step after the other, each with a go-ahead before and after."""
    from alembic import command

    used = engines_used()
    for step in steps:
        if channel.ask(event="before", step=step) != "go":
            return 0
        failure = None
        try:
            command.upgrade(config, step)
        except BaseException as error:  # noqa: BLE001 - a migration may raise anything, SystemExit as well
            traceback.print_exc()
            failure = described(error, script.get_revision(step).path)
        flush()
        end_sessions(used)
        if channel.ask(event="after", step=step, ok=failure is None, error=failure) != "go":
            return 0 if failure is None else 1
    channel.ask(event="end")
    return 0


def engines_used() -> Any:
    """The SQLAlchemy engines that the project connects with from now on, as a set that fills."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    engines: Any = weakref.WeakSet()
    event.listen(Engine, "engine_connect", lambda *arguments: engines.add(arguments[0].engine))
    return engines


def end_sessions(engines: Any) -> None:
    """Close what lies idle in the pools: PostgreSQL's sessions may keep what they have counted until they end."""
    for engine in list(engines):
        if engine.dialect.name == "postgresql" and not getattr(engine.dialect, "is_async", False):
            engine.dispose()


def flush() -> None:
    """What the step printed is in the log before the next one starts. A step may have closed the streams."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue


def as_tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def kind_of(error: BaseException) -> str:
    """What sort of thing keeps the project from being read."""
    if isinstance(error, NoDriverError):
        return "driver"
    if isinstance(error, ImportError):
        return "import"
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("sqlalchemy.")}
    return "database" if names & {"OperationalError", "InterfaceError"} else "other"


def described(error: BaseException, path: str | None = None) -> dict[str, Any]:
    """An exception as data: its class, the server's own words, the statement, and the line in the migration."""
    original = getattr(error, "orig", None)
    said = original if isinstance(original, BaseException) else error
    text = str(said)
    if len(said.args) == 2 and isinstance(said.args[0], int):  # PyMySQL and mysqlclient: number, text
        text = "({}) {}".format(*said.args)
    state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None)
    line = source = None
    for frame in traceback.extract_tb(error.__traceback__):
        if path and os.path.abspath(frame.filename) == os.path.abspath(path):  # noqa: PTH100 - as above
            line, source = frame.lineno, frame.line
    return {
        "type": type(said).__name__,
        "message": text[:LONGEST],
        "state": state if isinstance(state, str) else None,
        "statement": str(getattr(error, "statement", None) or "")[:LONGEST],
        "file": os.path.basename(path) if path else None,  # noqa: PTH119 - as above
        "line": line,
        "source": source,
    }


if __name__ == "__main__":
    sys.exit(main())
