"""yoyo's migrations, one by one.

A backend finds out what is ahead with ``to_apply``, and applies and marks one migration with ``apply_one``, committed
when that returns. What stands in ``post-apply`` files is run after all of them and is no step.
"""

import contextlib
import os
from traceback import walk_tb
from typing import Any, Dict, Iterator, Set


def install(channel: Any) -> None:
    """Observe the migrations of this interpreter. Called when ``yoyo.backends`` has been imported."""
    from yoyo.backends import DatabaseBackend
    from yoyo.migrations import MigrationStep

    list_ahead, apply = DatabaseBackend.to_apply, DatabaseBackend.apply_one
    plain_execute = MigrationStep._execute

    def to_apply(self: Any, migrations: Any) -> Any:
        try:
            ahead = list_ahead(self, migrations)
        except Exception as error:
            channel.unusable(error.__context__ or error)  # yoyo says that a file is bad, and this is why
            raise
        if not len(migrations):  # no directory of migrations at all
            return ahead
        self.thcore_chain = channel.chain("yoyo", **described(self, ahead))
        chosen = list(ahead)[: len(self.thcore_chain.run)]
        # What a project does after its migrations needs the schema that they end at.
        return type(ahead)(chosen, ahead.post_apply if len(chosen) == len(ahead) else [])

    def apply_one(self: Any, migration: Any, force: bool = False, mark: bool = True) -> None:
        chain = getattr(self, "thcore_chain", None)
        if chain is None or not mark:
            apply(self, migration, force=force, mark=mark)
            return
        chain.before(migration.id)
        try:
            apply(self, migration, force=force, mark=mark)
        except BaseException as error:
            cause = first(error)
            chain.after(migration.id, cause, os.path.abspath(migration.path), statement=statement(cause))
            raise
        chain.after(migration.id)

    def execute(self: Any, cursor: Any, statement: str, *arguments: Any) -> Any:
        result = plain_execute(self, cursor, statement, *arguments)
        channel.ran(statement)
        return result

    @contextlib.contextmanager
    def lock(_backend: Any, *_arguments: Any, **_options: Any) -> Iterator[None]:
        # Nobody else is there, and a program that is told to end between two steps would leave its lock behind.
        yield

    setattr(MigrationStep, "_execute", execute)
    for function in (to_apply, apply_one, lock):
        setattr(DatabaseBackend, function.__name__, function)


def described(backend: Any, ahead: Any) -> Dict[str, Any]:
    """A chain as ``Channel.chain`` takes it. Its versions are all migrations that are applied."""
    select = "SELECT migration_id FROM {}".format(backend.migration_table_quoted)  # noqa: S608 - quoted
    applied = {row[0] for row in backend.execute(select).fetchall()}
    return {
        "table": "{}:migration_id".format(backend.migration_table),
        "current": applied,
        "head": applied.union(migration.id for migration in ahead),
        "steps": [
            {
                "version": migration.id,
                "parents": sorted(parent.id for parent in migration.depends),
                "title": title(migration),
                "path": os.path.abspath(migration.path),
            }
            for migration in ahead
        ],
        "dialect": dialect(backend),
        "database": database(backend),
    }


def title(migration: Any) -> str:
    """The first line of what the file says about itself."""
    lines = (getattr(migration.module, "__doc__", None) or "").strip().splitlines()
    return lines[0].strip()[:200] if lines else ""


def dialect(backend: Any) -> str:
    """SQLAlchemy's name of the kind of database."""
    scheme: str = backend.uri.scheme.partition("+")[0]
    return {"postgres": "postgresql", "psql": "postgresql"}.get(scheme, scheme)


def database(backend: Any) -> str:
    """The name of the database; for SQLite the path of its file."""
    name = str(backend.uri.database or "")
    return os.path.abspath(name) if dialect(backend) == "sqlite" and name else name


def first(error: BaseException) -> BaseException:
    """The error that was first. yoyo goes back to a savepoint after it, which MySQL has forgotten by then; the error
    that this makes stands in its place."""
    while error.__context__ is not None and "_do_rollback" in functions(error):
        error = error.__context__
    return error


def functions(error: BaseException) -> Set[str]:
    """The names of yoyo's functions that ``error`` came through."""
    frames = (frame for frame, _ in walk_tb(error.__traceback__))
    return {frame.f_code.co_name for frame in frames if frame.f_globals.get("__name__", "").startswith("yoyo.")}


def statement(error: BaseException) -> str:
    """The statement that failed, if it is one of a step's own; a function of the migration has it in its line."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code.co_name == "_execute" and frame.f_globals.get("__name__") == "yoyo.migrations":
            return str(frame.f_locals.get("stmt") or "")
    return ""
