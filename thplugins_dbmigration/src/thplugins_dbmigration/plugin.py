"""The plugin ``dbmigration``: hook implementations only."""

from __future__ import annotations

import importlib
import os
import pwd
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from thcore.errors import InfrastructureError
from thcore.hooks import Build, hookimpl
from thcore.model import Attempt, Checkout, Environment, Execution, Finding, Severity
from thplugins_dbmigration.engines.drivers import drivers
from thplugins_dbmigration.engines.sockets import remove_sockets
from thplugins_dbmigration.options import DbmigrationOptions, DbmigrationSettings, job_options
from thplugins_dbmigration.snapshots import health, remove_half_made
from thplugins_dbmigration.tools.drivers import loadable


class Dbmigration:
    """Runs a change's migrations on real datasets, and judges them."""

    @hookimpl
    def thcore_job_options(self) -> type[Any]:
        return job_options()

    @hookimpl
    def thcore_settings(self) -> type[Any]:
        return DbmigrationSettings

    @hookimpl
    def thcore_preload(self) -> None:
        """Import the database clients, the tools and the gate: 0.4 s of processor time that builds need not spend."""
        importlib.import_module("thplugins_dbmigration.gate")
        importlib.import_module("thplugins_dbmigration.judge")
        drivers()
        loadable()

    @hookimpl
    def thcore_execute(
        self, build: Build, options: DbmigrationOptions, checkout: Checkout, environment: Environment
    ) -> Execution:
        from thplugins_dbmigration import gate

        return gate.run(build, options, checkout, environment)

    @hookimpl
    def thcore_analyse(self, options: DbmigrationOptions, execution: Execution) -> list[Finding]:
        from thplugins_dbmigration.judge import judge
        from thplugins_dbmigration.policy import record

        if not execution.datasets:
            return []
        return judge(execution.datasets, options.silent_loss, record.policy_of(execution.records))

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt) -> None:
        remove_sockets(attempt.build_id, attempt.number)
        remove_half_made(attempt.state)

    @hookimpl
    def thcore_health(self, settings: DbmigrationSettings | None, state: Path, work: Path) -> Iterator[Finding]:
        found = drivers()
        for problem in found.problems:
            yield Finding("engine-broken", Severity.UNVERIFIED, problem, hint="Repair or uninstall its distribution.")
        for engine in found.engines:
            try:
                place = engine.locate(settings)
            except InfrastructureError as error:
                # A worker need not have every engine: its jobs may use one only.
                yield Finding(error.code, Severity.WARNING, f"Engine {engine.name}: not usable", hint=str(error))
            else:
                where = f" in {place}" if place else ""
                yield Finding("engine-found", Severity.INFO, f"Engine {engine.name}: found{where}")
        yield _account(settings.account if settings else None)
        yield health.clones(state, work)

    @hookimpl
    def thcore_commands(self) -> list[click.Command]:
        from thplugins_dbmigration.curation.commands import datasets
        from thplugins_dbmigration.snapshots.commands import snapshots

        return [datasets, snapshots]


def _account(name: str | None) -> Finding:
    if os.geteuid() != 0:
        return Finding("account-usable", Severity.INFO, "Database servers run as the worker's own account")
    try:
        usable = name is None or pwd.getpwnam(name).pw_uid != 0
    except KeyError:
        usable = False
    if usable:
        return Finding("account-usable", Severity.INFO, f"Database servers run as {name or 'an account of the system'}")
    return Finding(
        "account-missing",
        Severity.UNVERIFIED,
        f"There is no unprivileged account {name} for database servers",
        hint="Create it, or name another in plugins: {dbmigration: {account: …}}.",
        command=f"useradd --system {shlex.quote(name)}" if name and name != "root" else None,
    )


plugin = Dbmigration()
