"""Django's migrations, step by step: a chain is one run of its executor, a step is one migration.

Django 3.2 or later. What Django does around the steps goes on as ever: ``pre_migrate`` before a chain shows itself,
``post_migrate`` (content types, permissions) after its last step, unless the gate has cut the chain short.
"""

import ast
import linecache
import os
import sys
import traceback
import weakref
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

Key = Tuple[str, str]
"""App and name of a migration."""
Place = Tuple[Optional[int], Optional[str]]
"""Line and text in a file."""

TABLE = "django_migrations:app+name"
"""As the gate names a table, and the columns that make a version together."""
LONGEST = 200
"""Characters of a title, or of an operation."""


def install(channel: Any) -> None:
    """Observe the executors of this interpreter. Called when ``django.db.migrations.executor`` has been imported."""
    from django.core.management.base import BaseCommand, CommandError
    from django.db.migrations.executor import MigrationExecutor
    from django.db.models.signals import post_migrate

    plain_migrate, plain_apply = MigrationExecutor.migrate, MigrationExecutor.apply_migration
    plain_execute, plain_send = BaseCommand.execute, post_migrate.send
    observer = Observer(channel)

    def migrate(self: Any, targets: Any, plan: Any = None, state: Any = None, **options: Any) -> Any:
        if plan is None:
            plan = self.migration_plan(targets)
        if any(backwards for _, backwards in plan):
            raise CommandError("the database is beyond what it is to be migrated to, and the gate takes nothing back")
        chosen = observer.choose(self, plan)
        if plan and not chosen:
            return state or self._create_project_state(with_applied_migrations=True)
        return plain_migrate(self, targets, plan=chosen, state=state, **options)

    def apply_migration(self: Any, state: Any, migration: Any, *arguments: Any, **options: Any) -> Any:
        return observer.run(self, migration, lambda: plain_apply(self, state, migration, *arguments, **options))

    def send(*arguments: Any, **named: Any) -> Any:
        # What a project does after its migrations needs the schema that they end at.
        return [] if named.get("using") in observer.cut else plain_send(*arguments, **named)

    def execute(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return plain_execute(self, *arguments, **options)
        except CommandError as error:
            if self._called_from_command_line:  # then it ends the program, with a line and no exception
                channel.unusable(error)
            raise

    setattr(MigrationExecutor, "migrate", migrate)
    setattr(MigrationExecutor, "apply_migration", apply_migration)
    setattr(BaseCommand, "execute", execute)
    setattr(post_migrate, "send", send)


class Observer:
    """What the executors of an interpreter have in common."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.chains: Any = weakref.WeakKeyDictionary()
        """The chain of each executor that migrates."""
        self.cut: Set[str] = set()
        """The databases, by alias, that do not get all that they were to get."""

    def choose(self, executor: Any, plan: Any) -> Any:
        """What is to be run of a plan, in order."""
        if not executor.loader.graph.nodes:  # the project has no migrations at all
            return plan
        steps = in_order(executor, plan)
        self.chains[executor] = chain = self.channel.chain("django", **described(executor, steps))
        chosen = steps[: len(chain.run)]
        if len(chosen) < len(steps):
            self.cut.add(executor.connection.alias)
        else:
            self.cut.discard(executor.connection.alias)
        return [(migration, False) for migration in chosen]

    def run(self, executor: Any, migration: Any, apply: Callable[[], Any]) -> Any:
        """Apply a migration, with the gate's leave."""
        chain = self.chains.get(executor)
        if chain is None:
            return apply()
        self.tell_counts()
        chain.before(str(migration))
        statements = Statements(self.channel)
        try:
            with executor.connection.execute_wrapper(statements):
                state = apply()
            if migration.replaces:
                # Before version 6 Django records a squash itself only when all steps have been run.
                executor.check_replacements()
        except BaseException as error:
            self.tell_counts()
            chain.after(str(migration), statements.explain(error), path_of(migration), place_of(error, migration))
            raise
        self.tell_counts()
        chain.after(str(migration))
        return state

    def tell_counts(self) -> None:
        """Have PostgreSQL's sessions tell what they have counted. They stay open: a project may keep a lock in one."""
        from django.db import connections

        for connection in connections.all():
            if connection.vendor == "postgresql" and connection.connection and not connection.in_atomic_block:
                self.channel.tell_counts(connection.connection)


class Statements:
    """Tells each statement, and remembers the one that failed last. Django calls it for each, as an execute wrapper."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.error: Optional[BaseException] = None
        self.text = ""

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        try:
            result = execute(sql, params, many, context)
        except Exception as error:
            self.error, self.text = error, str(sql)
            raise
        self.channel.ran(str(sql))
        return result

    def explain(self, error: Any) -> Any:
        """The error, with what the channel reads in those of SQLAlchemy: the driver's own error, and the statement."""
        if type(error).__module__ == "django.db.utils" and error.__cause__ is not None:
            error.orig = error.__cause__
        link = error
        while link is not None and link is not self.error:
            link = link.__cause__ or link.__context__
        if link is not None:
            error.statement = self.text
        return error


def in_order(executor: Any, plan: Any) -> List[Any]:
    """The migrations of a plan in the order in which Django runs them, which is not the plan's."""
    planned = {migration for migration, _ in plan}
    everything = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
    return [migration for migration, _ in everything if migration in planned]


def described(executor: Any, steps: List[Any]) -> Dict[str, Any]:
    """A chain as ``Channel.chain`` takes it. ``current`` and ``head`` hold the last migrations of each app; all that
    the database lists beside them, and may list later, is ``implied``."""
    loader, connection = executor.loader, executor.connection
    recorded = set(executor.recorder.applied_migrations())
    applied = {key for key in loader.applied_migrations if key in loader.graph.nodes}
    planned = {(migration.app_label, migration.name) for migration in steps}
    current = {listed(loader, recorded, key) for key in last_of(loader.graph, applied)}
    later = recorded | planned
    head = {listed(loader, later, key) for key in last_of(loader.graph, applied | planned)}
    known = recorded.union(loader.graph.nodes, loader.replacements)
    for migration in loader.replacements.values():
        known.update(map(tuple, migration.replaces))
    return {
        "table": TABLE,
        "current": named(current),
        "head": named(head),
        "implied": named(known - head),
        "steps": [described_step(loader, later, migration) for migration in steps],
        "dialect": connection.vendor,
        "database": database(connection),
    }


def last_of(graph: Any, keys: Set[Key]) -> Set[Key]:
    """Those of ``keys`` that no other of the same app needs."""
    return {
        key
        for key in keys
        if not any(child.key in keys and child.key[0] == key[0] for child in graph.node_map[key].children)
    }


def listed(loader: Any, recorded: Set[Key], key: Key) -> Key:
    """The row that stands for a migration: a squash that was applied through its parts may have none of its own."""
    while key not in recorded and key in loader.replacements:
        app, name = loader.replacements[key].replaces[-1]
        key = (app, name)
    return key


def named(keys: Iterable[Key]) -> List[str]:
    """Keys as versions."""
    return sorted("{}.{}".format(*key) for key in keys)


def described_step(loader: Any, recorded: Set[Key], migration: Any) -> Dict[str, Any]:
    """A step as ``Channel.chain`` takes it. Its parents are those of its own app: others are only there before it."""
    needed = [parent.key for parent in loader.graph.node_map[migration.app_label, migration.name].parents]
    return {
        "version": str(migration),
        "parents": named(listed(loader, recorded, key) for key in needed if key[0] == migration.app_label),
        "title": ", ".join(title_of(operation) for operation in migration.operations)[:LONGEST],
        "path": path_of(migration),
    }


def title_of(operation: Any) -> str:
    """What an operation does, in words."""
    try:
        return str(operation.describe())
    except Exception:  # a project's own operation may need what is not there yet
        return type(operation).__name__


def path_of(migration: Any) -> str:
    """The file of a migration."""
    return os.path.abspath(str(sys.modules[type(migration).__module__].__file__))


def database(connection: Any) -> str:
    """The name of the database; for SQLite the path of its file, empty for one in memory."""
    name = str(connection.settings_dict["NAME"] or "")
    if connection.vendor != "sqlite":
        return name
    return "" if connection.is_in_memory_db() else os.path.abspath(name)


def place_of(error: BaseException, migration: Any) -> Place:
    """Where in its file a migration failed: in its own code, else the operation."""
    from django.db.migrations import Migration

    path, operation = path_of(migration), None
    found: Place = (None, None)
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code is Migration.apply.__code__:
            operation = frame.f_locals.get("operation")
        elif os.path.abspath(frame.f_code.co_filename) == path:
            found = (line, linecache.getline(path, line).strip())
    if found[0] is None and operation is not None:
        return place_of_operation(operation, migration, path)
    return found


def place_of_operation(operation: Any, migration: Any, path: str) -> Place:
    """Where an operation stands. Nowhere, if ``operations`` is no plain list, or not the one that was run."""
    try:
        with open(path, "rb") as stream:
            text = stream.read().decode("utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError):
        return None, None
    lists = [
        node.value.elts
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.List)
        and any(isinstance(target, ast.Name) and target.id == "operations" for target in node.targets)
    ]
    number = next((number for number, other in enumerate(migration.operations) if other is operation), None)
    if number is None or len(lists) != 1 or len(lists[0]) != len(migration.operations):
        return None, None
    node = lists[0][number]
    lines = text.splitlines()[node.lineno - 1 : getattr(node, "end_lineno", None) or node.lineno]
    return node.lineno, " ".join(" ".join(lines).split())[:LONGEST]
