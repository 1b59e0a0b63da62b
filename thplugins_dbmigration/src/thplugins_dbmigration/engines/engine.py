"""What an engine can do: find its server's programs, make and start a private server, load a seed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from attrs import frozen

from thcore.hooks import Build
from thplugins_dbmigration.address import Address


@frozen
class Installation:
    """The server's programs as found on this machine. ``version`` is the server's own, such as ``10.11.19-MariaDB``;
    ``programs`` is the directory they are in, None where none are needed (SQLite); ``account`` is the operating
    system account that the server runs as, None for the worker's own."""

    engine: str
    version: str
    programs: Path | None = None
    account: str | None = None


class Engine(Protocol):
    """A family of database servers. Drivers are made without arguments and hold no state.

    All methods run in the child process of a build. Whatever goes wrong with a server is an InfrastructureError with
    one of the codes ``engine-missing``, ``server-not-started``, ``seed-not-loaded``; never the change's fault.
    """

    name: str
    """As in the entry point: ``mysql``."""
    types: tuple[str, ...]
    """Values of ``type`` in a dataset's config.json that it serves, lower case: ``("mysql", "mariadb")``."""

    def installation(self, build: Build) -> Installation:
        """Find the programs. Raises InfrastructureError (``engine-missing``) saying what to install."""

    def initialise(self, build: Build, installation: Installation, directory: Path) -> None:
        """Make an empty data directory at ``directory`` (which does not exist)."""

    def start(
        self, build: Build, installation: Installation, directory: Path, *, log: Path
    ) -> AbstractContextManager[Server]:
        """Start a private server on ``directory`` and wait until it answers; stop it cleanly on leaving.

        It listens on a socket only, in a directory of its own that no other account may enter, and its output is
        appended to ``log``. It belongs to the build: cancel, deadline and death of the worker end it.
        """


class Server(Protocol):
    """A private server that runs."""

    @property
    def version(self) -> str:
        """As the server says it."""

    def create(self, database: str, user: str, password: str) -> Address:
        """Make an empty database and the account that owns it (and has no other rights)."""

    def load(self, build: Build, address: Address, seed: Path) -> None:
        """Run the SQL file ``seed`` (plain text, already decompressed) in the database, stopping at its first error.
        Raises InfrastructureError (``seed-not-loaded``) with the server's message and the seed's line."""

    def address(self, database: str, user: str, password: str) -> Address:
        """How to reach a database that is there already (after a clone)."""

    def counters(self, address: Address) -> dict[str, int | None]:
        """Counters of the whole server, which serves nothing but this build, as totals since its start. Keys are the
        engine's own names. What this version cannot tell is None."""

    def versions(self, address: Address, table: str) -> frozenset[str] | None:
        """The first column of a version table such as ``alembic_version``; None when there is no such table."""
