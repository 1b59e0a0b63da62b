"""sqlalchemy-migrate's upgrades, step by step.

A ``ControlledSchema`` is a database and one repository of changes. It lists the changes ahead with ``changeset`` and
makes each with ``runchange``, which sets the version afterwards. Both use connections that commit by themselves.
"""

import os
import re
from typing import Any, Dict


def install(channel: Any) -> None:
    """Observe the upgrades of this interpreter. Called when ``migrate.versioning.schema`` has been imported."""
    from migrate.versioning.schema import ControlledSchema
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    list_changes, run_change = ControlledSchema.changeset, ControlledSchema.runchange

    def changeset(self: Any, version: Any = None) -> Any:
        changes = list_changes(self, version)
        if changes.step < 0:  # a downgrade is not for us
            return changes
        self.thcore_chain = channel.chain("sqlalchemy_migrate", **described(self, changes))
        chosen = list(changes.values())[: len(self.thcore_chain.run)]
        return type(changes)(changes.start, *chosen, step=changes.step)

    def runchange(self: Any, ver: Any, change: Any, step: int) -> None:
        chain = getattr(self, "thcore_chain", None)
        if chain is None or step < 0:
            run_change(self, ver, change, step)
            return
        version = str(int(ver) + step)
        chain.before(version)
        try:
            run_change(self, ver, change, step)
        except BaseException as error:
            end_sessions(self.engine)
            chain.after(version, error, source(change))
            raise
        end_sessions(self.engine)
        chain.after(version)

    event.listen(Engine, "after_cursor_execute", lambda *arguments: channel.ran(arguments[2]))
    setattr(ControlledSchema, "changeset", changeset)
    setattr(ControlledSchema, "runchange", runchange)


def described(schema: Any, changes: Any) -> Dict[str, Any]:
    """A chain as ``Channel.chain`` takes it."""
    repository, engine = schema.repository, schema.engine.engine
    return {
        "table": "{}:version[repository_id={}]".format(repository.version_table, repository.id),
        "current": [str(int(changes.start))],
        "head": [str(int(changes.end))],
        "steps": [
            {
                "version": str(int(version) + 1),
                "parents": [str(int(version))],
                "title": title(change),
                "path": source(change),
            }
            for version, change in changes.items()
        ],
        "dialect": engine.name,
        "database": database(engine),
    }


def source(change: Any) -> str:
    """The file of a change; of one that is a package, where its code begins."""
    path = os.path.abspath(str(change.path))
    return os.path.join(path, "__init__.py") if os.path.isdir(path) else path


def title(change: Any) -> str:
    """What the file's name says: ``add index`` of ``042_add_index.py`` and of ``042_add_index_mysql_upgrade.sql``."""
    name, extension = os.path.splitext(os.path.basename(str(change.path)))
    if extension == ".sql":
        name = re.sub(r"_[^_]+_upgrade$", "", name)
    return re.sub(r"^\d+_?", "", name).replace("_", " ")


def database(engine: Any) -> str:
    """The name of the database; for SQLite the path of its file."""
    name = str(engine.url.database or "")
    return os.path.abspath(name) if engine.name == "sqlite" and name else name


def end_sessions(engine: Any) -> None:
    """Close what lies idle in the pool: PostgreSQL's sessions may keep what they have counted until they end."""
    if engine.name == "postgresql":
        engine.dispose()
