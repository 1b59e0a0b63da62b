"""Alembic's upgrades, step by step.

``MigrationContext.run_migrations`` asks a function for its steps and runs each before it takes the next: with a
generator in that function's place, a step has ended when the next is asked for. What it did is committed then, whether
Alembic begins a transaction for each migration, or one for all, or env.py one of its own.
"""

import atexit
import contextlib
import os
import weakref
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Set, Tuple


def install(channel: Any) -> None:
    """Observe the upgrades of this interpreter. Called when ``alembic.script.base`` has been imported."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script.base import ScriptDirectory

    find, run = ScriptDirectory._upgrade_revs, MigrationContext.run_migrations
    observer = Observer(channel)

    def upgrade_revs(self: Any, destination: Any, current: Any) -> Any:
        try:
            steps = find(self, destination, current)
        except Exception as error:
            channel.unusable(unknown(self, current) or error)
            raise
        observer.asked = self
        return steps

    def run_migrations(self: Any, **arguments: Any) -> Any:
        if self.as_sql:
            return run(self, **arguments)
        return Upgrade(observer, self).run(lambda: run(self, **arguments))

    setattr(ScriptDirectory, "_upgrade_revs", upgrade_revs)
    setattr(MigrationContext, "run_migrations", run_migrations)
    atexit.register(observer.give_up)


class Observer:
    """What the upgrades of an interpreter have in common."""

    def __init__(self, channel: Any) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self.channel = channel
        self.asked: Any = None
        """The script directory that was asked for a way up, since this was None."""
        self.unsettled: Optional[Upgrade] = None
        """The upgrade whose last step waits for the end of the transaction around it."""
        self.engines: Any = weakref.WeakSet()
        event.listen(Engine, "engine_connect", lambda *arguments: self.engines.add(arguments[0].engine))
        event.listen(Engine, "after_cursor_execute", lambda *arguments: channel.ran(arguments[2]))

    def settle(self) -> None:
        """Another upgrade begins inside the transaction that the last step of the one before waits for."""
        if self.unsettled is not None:
            self.unsettled.commit()
            self.unsettled.ended()

    def give_up(self) -> None:
        """The program ends, and nobody has ended the transaction."""
        if self.unsettled is not None:
            self.unsettled.ended()

    def end_sessions(self) -> None:
        """Close what lies idle in the pools: PostgreSQL's sessions may keep what they have counted until they end.
        Pools of other kinds would close what is in use as well."""
        for engine in list(self.engines):
            if engine.dialect.name == "postgresql" and type(engine.pool).__name__ == "QueuePool":
                engine.dispose()


class Upgrade:
    """One run of a context, of which it is not yet known whether it is an upgrade at all."""

    def __init__(self, observer: Observer, context: Any) -> None:
        self.observer = observer
        self.context = context
        self.function = context._migrations_fn
        self.make_table = context._ensure_version_table
        self.table_wanted = False
        self.chain: Any = None
        self.running: Any = None

    def run(self, run: Callable[[], Any]) -> Any:
        """Let the context run, step by step."""
        self.observer.settle()
        self.context._migrations_fn = self.steps
        self.context._ensure_version_table = self.want_table
        try:
            return run()
        except BaseException as error:
            self.failed(error)
            raise
        finally:
            self.context._migrations_fn = self.function
            del self.context._ensure_version_table

    def want_table(self, purge: bool = False) -> None:
        """Make the version table later, when it is known that something is to be run."""
        if purge:
            self.make_table(purge=True)
        else:
            self.table_wanted = True

    def steps(self, heads: Tuple[str, ...], context: Any) -> Iterator[Any]:
        """What the context's own function answers, each with the gate's leave."""
        self.observer.asked = None
        found = list(self.function(heads, context) or ())
        script = self.observer.asked
        if script is not None:  # else it is something else than an upgrade: stamp, downgrade, current
            self.observer.end_sessions()
            self.chain = self.observer.channel.chain("alembic", **described(script, context, heads, found))
        chosen = found if self.chain is None else found[: len(self.chain.run)]
        if self.table_wanted and (chosen or not found):
            self.make_table()
        for place, step in enumerate(chosen):
            self.before(step)
            yield step
            self.after(last=place == len(chosen) - 1)

    def before(self, step: Any) -> None:
        if self.chain is not None:
            self.commit()
            self.running = step.revision
            self.chain.before(self.running.revision)

    def after(self, *, last: bool) -> None:
        if self.running is None:
            return
        if last and self.context.connection.in_transaction():
            self.wait_for_the_end()
        else:
            self.commit()
            self.ended()

    def commit(self) -> None:
        """Commit what the driver has begun, without a word to those who may have begun it."""
        connection = self.context.connection
        connection.dialect.do_commit(connection.connection)
        self.tell_counts()

    def tell_counts(self) -> None:
        connection = self.context.connection
        if connection.dialect.name == "postgresql" and not connection.closed:
            self.observer.channel.tell_counts(driver_connection(connection.connection))

    def wait_for_the_end(self) -> None:
        """Whether the last step stays is for those to say who began the transaction around it. If they forget to
        commit, they forget it when nobody looks as well."""
        connection = self.context.connection
        dialect, driver = connection.dialect, driver_connection(connection.connection)
        self.observer.unsettled = self

        def watched(do: Callable[[Any], Any]) -> Callable[[Any], None]:
            def done(ended: Any) -> None:
                do(ended)
                if self.observer.unsettled is self and driver_connection(ended) is driver:
                    self.tell_counts()
                    self.ended()

            return done

        dialect.do_commit, dialect.do_rollback = watched(dialect.do_commit), watched(dialect.do_rollback)

    def ended(self) -> None:
        self.observer.unsettled = None
        self.observer.end_sessions()
        step, self.running = self.running, None
        self.chain.after(step.revision)

    def failed(self, error: BaseException) -> None:
        if self.running is None or self.observer.unsettled is self:
            return
        step, self.running = self.running, None
        connection = self.context.connection
        with contextlib.suppress(Exception):  # a session that a failed step keeps open would hide its counts
            connection.dialect.do_rollback(connection.connection)
            self.tell_counts()
        self.observer.end_sessions()
        self.chain.after(step.revision, error, step.path)


def driver_connection(connection: Any) -> Any:
    """The driver's own connection of one that SQLAlchemy's pool gave."""
    return getattr(connection, "dbapi_connection", None) or getattr(connection, "connection", connection)


def described(script: Any, context: Any, heads: Iterable[str], steps: List[Any]) -> Dict[str, Any]:
    """A chain as ``Channel.chain`` takes it."""
    needs = {revision.revision: needed(script, revision) for revision in script.walk_revisions()}
    reached = closure([*heads, *(step.revision.revision for step in steps)], needs)
    implied = {parent for version in reached for parent in needs[version]}
    schema = context.version_table_schema
    return {
        "table": "{}.{}".format(schema, context.version_table) if schema else context.version_table,
        "current": heads,
        "head": reached - implied,
        "implied": implied,
        "names": names(script),
        "steps": [
            {
                "version": revision.revision,
                "parents": sorted(as_tuple(revision.down_revision)),
                "title": str(revision.doc or "")[:200],
                "path": os.path.abspath(revision.path),
            }
            for revision in (step.revision for step in steps)
        ],
        "dialect": context.connection.dialect.name,
        "database": database(context.connection),
    }


def names(script: Any) -> Dict[str, List[str]]:
    """What else revisions are called: by their labels, and the heads of a branch ``LABEL@head``."""
    found: Dict[str, List[str]] = {}
    heads = set(script.get_heads())
    for revision in script.walk_revisions():
        for label in getattr(revision, "_orig_branch_labels", ()):
            found.setdefault(label, []).append(revision.revision)
        for label in revision.branch_labels if revision.revision in heads else ():
            found.setdefault(label + "@head", []).append(revision.revision)
    return found


def needed(script: Any, revision: Any) -> List[str]:
    """The revisions that must be there before ``revision``: its parents, and what it depends on."""
    found = list(as_tuple(revision.down_revision))
    for name in as_tuple(revision.dependencies):
        found.extend(other.revision for other in script.get_revisions(name))
    return found


def closure(versions: Iterable[str], needs: Dict[str, List[str]]) -> Set[str]:
    """The versions and all that they need."""
    found: Set[str] = set()
    look = list(versions)
    while look:
        version = look.pop()
        if version not in found:
            found.add(version)
            look.extend(needs[version])
    return found


def database(connection: Any) -> str:
    """The name of the database; for SQLite the path of its file, as SQLite found it."""
    if connection.dialect.name != "sqlite":
        return str(connection.engine.url.database or "")
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA database_list")
    names = [row[2] for row in cursor.fetchall() if row[1] == "main"]
    cursor.close()
    return str(names[0] if names else "")


def unknown(script: Any, current: Any) -> Optional[LookupError]:
    """Why there is no way up for a database at a revision that is not among the scripts."""
    with contextlib.suppress(Exception):  # it is looked for in scripts that may be broken
        missing = set(as_tuple(current)) - {revision.revision for revision in script.walk_revisions()}
        if missing:
            told = ", ".join(sorted(missing))
            return LookupError("the database is at {}, which the project's scripts do not have".format(told))
    return None


def as_tuple(value: Any) -> Tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
