"""What a migration tool can do: tell versions, list steps, walk them one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from thcore.hooks import Build
from thcore.model import Provision, Step
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.template import Placeholders


@frozen
class Project:
    """The project under migration at one revision, and the database to migrate.

    ``directory`` is where its programs are run, in the checkout. ``variables`` are for their environment, already
    filled in for this address; ``placeholders`` fill the templates of the tool's own options. ``log_source`` labels the
    tool's lines in the build log.
    """

    provision: Provision
    address: Address
    server: Server
    directory: Path
    variables: Mapping[str, str]
    placeholders: Placeholders
    log_source: str


@frozen
class Plan:
    """The way ahead of a database. ``current`` are the versions that it is at, empty for an empty database; ``head``
    those that the project wants to end at; ``steps`` lead there, in the order in which they must run. ``implied`` are
    versions that the head includes: a database at the head may list them or not."""

    current: frozenset[str]
    head: frozenset[str]
    steps: tuple[Step, ...]
    implied: frozenset[str] = frozenset()

    def reached(self, versions: frozenset[str]) -> bool:
        """Whether a database that lists ``versions`` is at the head."""
        return versions - (self.implied - self.head) == self.head


@frozen
class Stop:
    """Where a walk ended: after the last step (``failed`` None), or in the step that failed.

    ``code`` is ``migration-not-ended``, or ``final-version-mismatch`` for a step that ended without an error and left
    the database at another version. ``message`` is the error in one line, the server's own words where they can be
    found; ``evidence`` are more lines; ``line`` counts in the step's file.
    """

    failed: Step | None = None
    code: str = "migration-not-ended"
    message: str = ""
    evidence: tuple[str, ...] = ()
    line: int | None = None


class Tool(Protocol):
    """A migration tool. Drivers are made without arguments and hold no state.

    A project that the tool cannot read (no alembic.ini, a script that does not import) is a ChangeError; codes
    ``tool-unusable`` and ``import-failed``. Options that do not fit are an InfrastructureError, code
    ``options-invalid``.
    """

    name: str
    """As in the entry point: ``alembic``."""

    def options(self) -> type[Any]:
        """The attrs class of this tool's own options, the key of the tool's name in the job's dbmigration options.
        Every option must have a default."""

    def plan(self, build: Build, options: Any, project: Project) -> Plan:
        """Look at the database and at the project's scripts, changing neither."""

    def current(self, build: Build, options: Any, project: Project) -> frozenset[str]:
        """The versions that the database lists now."""

    def walk(
        self,
        build: Build,
        options: Any,
        project: Project,
        steps: Sequence[Step],
        *,
        before: Callable[[Step], None],
        after: Callable[[Step, bool], None],
    ) -> Stop:
        """Run ``steps`` one at a time. ``before`` is called when a step is about to start, ``after`` when it has ended
        (True: it succeeded), while the project's program waits, so that measurements can be taken between steps."""
