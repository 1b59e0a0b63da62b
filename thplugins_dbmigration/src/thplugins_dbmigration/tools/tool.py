"""What a migration tool can do: tell versions, and walk step by step where a guide leads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from attrs import field, frozen

from thcore.hooks import Build
from thcore.model import CommandResult, Provision, Step
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
    """The way ahead of one chain. ``current`` are the versions that the database is at, empty for an empty one;
    ``head`` those that the project wants to end at; ``steps`` lead there, in the order in which they must run.
    ``implied`` are versions that the head includes: a database at the head may list them or not.

    ``chain`` is empty for the tool's main chain. Another is named by its version table (``alembic_version_fab``), and
    one in another database by both (``nova_api.alembic_version``). Its steps carry the same name. ``table`` is the
    version table of any chain as a census names it, empty where there is none.

    ``names`` are versions by what else people call them: Alembic's labels, and ``LABEL@head``.
    """

    current: frozenset[str]
    head: frozenset[str]
    steps: tuple[Step, ...]
    implied: frozenset[str] = frozenset()
    chain: str = ""
    table: str = ""
    names: Mapping[str, tuple[str, ...]] = field(factory=dict)

    def reached(self, versions: frozenset[str]) -> bool:
        """Whether a database that lists ``versions`` is at the head."""
        return versions - (self.implied - self.head) == self.head

    def last(self, versions: frozenset[str]) -> frozenset[str]:
        """What people want to read of the ``versions`` that a database lists: those that no other of them includes.
        Some tools list these alone (Alembic), some all that the database has been through (Django)."""
        ahead = {step.version: step for step in self.steps}
        passed = {parent for version in versions & ahead.keys() for parent in ahead[version].parents}
        return versions - passed - (self.implied - self.current - ahead.keys())


@frozen
class Stop:
    """Where a walk ended: after the last step (``failed`` None), or in the step that failed.

    ``code`` is ``migration-not-ended``, or ``final-version-mismatch`` for a step that ended without an error and left
    the database at another version. ``message`` is the error in one line, the server's own words where they can be
    found; ``evidence`` is all that was said about it, up to a bound; ``line`` counts in the step's file. ``statement``
    is the one that failed and ``error`` what the server said to it, code and message, where the tool tells them.
    """

    failed: Step | None = None
    code: str = "migration-not-ended"
    message: str = ""
    evidence: tuple[str, ...] = ()
    line: int | None = None
    statement: str = ""
    error: str = ""


class Enough(Exception):  # noqa: N818 - it is no error: the walk goes no further because nobody wants it to
    """Raised by a guide: the program is to end here, between two steps. The walk ends well."""


@frozen
class Pause:
    """The program is to wait in the middle of a step, when it has run so many ``statements`` that change anything;
    ``then`` is called there. The program goes on when that returns, and ends when it raises ``Enough``: at once, as if
    it had been killed."""

    statements: int
    then: Callable[[], None]


class OneWay(Exception):  # noqa: N818 - it is no error: not every tool, or migration, can go back
    """Why steps cannot be taken back."""


class Guide(Protocol):
    """Says how far a walk goes, and measures on the way. Called in the thread that walks, while the project's program
    waits. Whatever it raises ends the program and comes out of the walk, but for ``Enough``."""

    def choose(self, plan: Plan) -> Sequence[Step]:
        """The steps of a chain to run now: all of ``plan.steps``, the first few, or none. Called once for each chain
        that shows itself, when its turn comes: what another tool of the same walk does later is not yet known. The
        program goes on with what else it does, whatever is answered; ``Enough`` ends it."""

    def before(self, step: Step) -> Pause | None:
        """A step is about to start. The answer says where in it the program is to wait; a tool that is not observed
        takes no notice."""

    def after(self, step: Step, ok: bool) -> None:
        """It has ended and is committed, or it failed."""


class Tool(Protocol):
    """A migration tool. Drivers are made without arguments and hold no state.

    A project that the tool cannot read (no alembic.ini, a script that does not import), or that shows no migrations
    at all, is a ChangeError; codes ``tool-unusable`` and ``import-failed``. Options that do not fit are an
    InfrastructureError, code ``options-invalid``.
    """

    name: str
    """As in the entry point: ``alembic``."""

    def options(self) -> type[Any]:
        """The attrs class of this tool's own options, the key of the tool's name in the job's dbmigration options.
        Every option must have a default."""

    def detect(self, directory: Path) -> str | None:
        """What in the working directory of a checkout tells that the project uses this tool (``manage.py``); None when
        nothing does. Runs nothing of the project."""

    def versions(self, build: Build, options: Any, project: Project, chain: str = "") -> frozenset[str]:
        """The versions that the database lists now for a chain. Read from the database; a program of the project is
        started only where there is no other way."""

    def walk(self, build: Build, options: Any, project: Project, guide: Guide) -> Stop:
        """Run what the guide chooses, step by step, in one process where the tool can."""


@runtime_checkable
class Reversible(Protocol):
    """What a tool has besides, when it can take steps back."""

    def back(self, build: Build, options: Any, project: Project, steps: Sequence[Step]) -> CommandResult:
        """Take back ``steps``, which were the last to be run, in the order in which they ran. Answers how the program
        ended that failed, else the last one. Raises OneWay where it knows beforehand that it cannot be done."""


@runtime_checkable
class Modelled(Protocol):
    """What a tool has besides, when it knows the project's models."""

    def unlike_models(self, build: Build, options: Any, project: Project) -> tuple[str, ...] | None:
        """In what the database differs from the project's models, in lines for people; None where it cannot be told.
        Runs a program of the project, which changes nothing."""
