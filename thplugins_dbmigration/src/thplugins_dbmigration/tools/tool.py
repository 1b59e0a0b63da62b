"""What a migration tool can do: tell versions, list steps, walk them one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen

from thcore.hooks import Build
from thcore.model import CommandResult, Provision, Step
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server


@frozen
class Project:
    """The project under migration at one revision, and the database to migrate.

    ``variables`` and templates of the options are already filled in for this address; ``log_source`` labels the
    tool's lines in the build log.
    """

    provision: Provision
    address: Address
    server: Server
    variables: dict[str, str]
    log_source: str


@frozen
class Stop:
    """Where a walk ended: after the last step (``failed`` None), or in the step that failed, with its program's
    result. ``message`` is the error in one line, the server's own words where they can be found."""

    failed: Step | None = None
    message: str = ""
    result: CommandResult | None = None


class Tool(Protocol):
    """A migration tool. Drivers are made without arguments and hold no state.

    A project that the tool cannot read (no alembic.ini, a script that does not import) is a ChangeError; codes
    ``tool-unusable`` and ``import-failed``.
    """

    name: str
    """As in the entry point: ``alembic``."""

    def options(self) -> type[Any]:
        """The attrs class of this tool's own options, the key of the tool's name in the job's dbmigration options."""

    def current(self, build: Build, options: Any, project: Project) -> frozenset[str]:
        """The versions that the database is at; empty for an empty database."""

    def head(self, build: Build, options: Any, project: Project) -> frozenset[str]:
        """The versions that the project wants to end at."""

    def steps(self, build: Build, options: Any, project: Project) -> tuple[Step, ...]:
        """The steps from where the database is now to the head, in the order in which they must run."""

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
