"""What an engine can do: find its server's programs, make and start a private server, load a seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from thcore.hooks import Build
from thcore.model import Statement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.census import TableCensus
from thplugins_dbmigration.checksums import TableSum
from thplugins_dbmigration.engines.inquiry import Ask
from thplugins_dbmigration.engines.stage import Stage
from thplugins_dbmigration.engines.storage import Storage
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.measure.lock_view import LockView
from thplugins_dbmigration.measure.probes import Probes
from thplugins_dbmigration.schema import Schema

MEMORY = 256 * 1024 * 1024
"""Bytes that a server may keep of its tables in memory when the worker's settings do not say."""
LOADING_MEMORY = 1024 * 1024 * 1024
"""The same while it loads a dataset."""


@frozen
class Installation:
    """The server's programs as found on this machine. ``version`` is the server's own, such as ``10.11.19-MariaDB``;
    ``programs`` is the directory they are in, None where none are needed (SQLite); ``account`` is the operating
    system account that the server runs as, None for the worker's own. With ``namespace`` the server runs in a user
    namespace of its own, in which the worker's account is not root: for a worker that runs as root in directories
    that no other account can enter. ``memory`` is what a server may keep of its tables in memory, in bytes."""

    engine: str
    version: str
    programs: Path | None = None
    account: str | None = None
    namespace: bool = False
    memory: int = MEMORY


def memory_of(build: Build) -> int:
    """What the worker's settings let a server keep in memory, in bytes."""
    return int(getattr(build.settings, "server_memory", MEMORY))


def loading_memory_of(build: Build) -> int:
    """What the worker's settings let a server keep in memory while it loads a dataset, in bytes: rows come in the order
    of one index, and go to as many places of each other one, which are read and written again and again where they do
    not fit."""
    return max(int(getattr(build.settings, "loading_memory", LOADING_MEMORY)), memory_of(build))


class Engine(Protocol):
    """A family of database servers. Drivers are made without arguments and hold no state.

    All methods run in the child process of a build. Whatever goes wrong with a server is an InfrastructureError with
    one of the codes ``engine-missing``, ``server-not-started``, ``server-died``, ``seed-not-loaded``; never the
    change's fault.
    """

    @property
    def name(self) -> str:
        """As in the entry point: ``mysql``."""

    @property
    def types(self) -> tuple[str, ...]:
        """Values of ``type`` in a dataset's config.json that it serves, lower case: ``("mysql", "mariadb")``."""

    def locate(self, settings: Any) -> Path | None:
        """The directory of the server's programs, None where none are needed. Starts nothing; fit for health checks.
        Raises InfrastructureError (``engine-missing``) saying what to install."""

    def installation(self, build: Build) -> Installation:
        """Find the programs, ask for their version and choose the account. Raises like ``locate``."""

    def settings(self, installation: Installation) -> tuple[str, ...]:
        """What its servers are told that a data directory, or what a step costs, depends on. For keys and conditions;
        readable, the same on every machine and in every build."""

    def initialise(self, build: Build, installation: Installation, directory: Path) -> None:
        """Make an empty data directory at ``directory`` (which does not exist)."""

    def start(
        self, build: Build, installation: Installation, directory: Path, *, log: Path, kept: bool = True
    ) -> AbstractContextManager[Server]:
        """Start a private server on ``directory`` and wait until it answers; stop it cleanly on leaving. With ``kept``
        false nobody wants the directory afterwards: the stop is quick, and what memory holds need not be written.

        It listens on a socket only, in a directory of its own that no other account may enter, and its output is
        appended to ``log``. It belongs to the build: cancel, deadline and death of the worker end it. Leaving raises
        InfrastructureError (``server-died``) when the server ended by itself: what was run on it proves nothing.
        """

    def freeze(self, build: Build, installation: Installation, directory: Path) -> None:
        """Make the directory of a cleanly stopped server as small as it gets, so that clones are cheap."""


class Server(Protocol):
    """A private server that runs."""

    @property
    def version(self) -> str:
        """As the server says it."""

    def create(
        self,
        database: str,
        user: str,
        password: str,
        *,
        character_set: str | None = None,
        extensions: Sequence[str] = (),
    ) -> Address:
        """Make an empty database and the account that owns it (and has no other rights)."""

    def load(self, build: Build, address: Address, seed: Path) -> None:
        """Run the SQL file ``seed`` (plain text, already decompressed) in the database, stopping at its first error.
        Raises InfrastructureError (``seed-not-loaded``) with the server's message and the seed's line."""

    def address(self, database: str, user: str, password: str) -> Address:
        """How to reach a database that is there already (after a clone)."""

    def start_counting(self, address: Address) -> None:
        """What sessions have done so far and not told yet is of no interest: counters are compared from here on."""

    def counters(self, address: Address) -> dict[str, int | None]:
        """Counters of the whole server, which serves nothing but this build, as totals since its start. Keys are the
        engine's own names. What this version cannot tell is None."""

    def reasons(self, address: Address) -> Mapping[str, str]:
        """Why a counter is None, by its name, for people. Under ``statements`` stands why there are none of those where
        that is so, under ``locks`` why nothing is told of locks. Asked after a step."""

    def mark(self, address: Address) -> object:
        """Note the statements that are run from here on; what was noted before is forgotten. No step is running."""

    def statements(self, address: Address, mark: object) -> tuple[Statement, ...]:
        """The statements that sessions of the project have run since the newest ``mark``, in the order in which they
        began; ``began_s`` counts from the mark. Those that failed are there too, those of the gate's own sessions are
        not. Many that are alike are one, with all their calls. Takes nothing away: it can be asked again."""

    def sizes(self, address: Address) -> Mapping[str, TableSize]:
        """What each table of the database takes, by name as in a census. Counts no rows and so takes little time, but
        looks at every table: take it outside of a measurement."""

    @property
    def storage(self) -> Storage:
        """Where it keeps what it writes."""

    def versions(self, address: Address, table: str) -> frozenset[str] | None:
        """The first column of a version table such as ``alembic_version``, or what is named
        (``migrate_version:version``, ``django_migrations:app+name``: see VersionTable); None when there is no such
        table. Only what is committed is seen."""

    def census(self, address: Address) -> Mapping[str, TableCensus]:
        """Count the rows of every table of the database, and the values of every column. Tables only: no views, and
        nothing that is temporary or the server's own. A table outside of PostgreSQL's schema ``public`` is named with
        its schema. Takes as long as reading all of the tables once; take it outside of a measurement. Raises
        CancelledError or DeadlineError when the build is told to end."""

    def inquiry(self, address: Address, earlier: Sequence[str] = ()) -> AbstractContextManager[Ask]:
        """Ask questions in a session of the account that the address names, within a time limit for all of them
        together; whatever they do is undone on leaving. ``earlier`` are the statements of a step that has failed, in
        their order: where the server has undone a transaction that they had begun, it is repeated for the questions.
        Raises Unanswered (see ``inquiry``) when the server does not answer."""

    def empty(self, address: Address, keep: Collection[str]) -> None:
        """Take all rows out of all tables but those to ``keep``, named as in a census; the schema stays as it is. Takes
        no longer for many rows than for few where the server can help it."""

    def stage(self, address: Address) -> AbstractContextManager[Stage]:
        """Open a session on a database that was emptied, to see what statements do to its tables."""

    def schema(self, address: Address) -> Schema:
        """What the database is made of: tables, columns, indexes, constraints, views and so on, without what belongs to
        the server or to an extension. Reads the catalogue only."""

    def checksums(self, address: Address) -> Mapping[str, TableSum]:
        """What the tables of the database hold, each table of the census, as one number for each column. Takes as long
        as reading all of the tables once, and so is taken outside of a measurement. Raises as ``census`` does."""

    def kill(self) -> None:
        """End the server at once, as a power cut would, and wait until it has gone: leaving its context then raises
        ``server-died``. A file has no server that could be killed."""

    def hindrance(self, address: Address) -> AbstractContextManager[Callable[[], bool]]:
        """While it lasts, a statement that leaves something behind when it is broken off (PostgreSQL's ``CREATE INDEX
        CONCURRENTLY``) does not come to its end. What is answered tells whether one waits for that; it may be asked in
        another thread."""

    def settle(self, address: Address) -> None:
        """Gather the optimiser's statistics of a loaded database, so that the server has no reason to do so later."""

    def probes(self, address: Address) -> Probes | None:
        """Sessions for a canary beside a step. None where a step has the database for itself whatever it does."""

    def lock_views(self, address: Address) -> Sequence[LockView]:
        """What to look at locks by beside a step. Where those on tables, or the number of rows locked, are told by none
        of them, ``reasons`` has ``locks`` or ``rows_locked``. Raises InfrastructureError."""
