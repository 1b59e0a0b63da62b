"""Running fix-ups: what a project's upgrade notes have its users do to their data between two versions."""

from __future__ import annotations

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, Progress
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.seeds import open_seed
from thplugins_dbmigration.tools.tool import Project
from thplugins_dbmigration.walk.release import Fixup


def run_fixup(build: Build, fixup: Fixup, dataset: Dataset, project: Project) -> None:
    """Run one on the database of ``project``. Raises InfrastructureError (``fixup-failed``) with its last words."""
    build.emit(Progress(f"{dataset.name}: fix-up at {fixup.at}: {fixup.words}"))
    build.log(f"fix-up at {fixup.at}: {fixup.words}", source=dataset.name)
    if fixup.sql is not None:
        try:
            with open_seed(build, dataset.file(fixup.sql)) as plain:
                project.server.load(build, project.address, plain)
        except InfrastructureError as error:
            if error.code not in {"seed-not-loaded", "seed-broken"}:
                raise
            raise _failed(fixup, str(error)) from error
        return
    argv = project.placeholders.fill_all(fixup.command or (), "fixups.command")
    command = Command(argv, cwd=project.directory, env=dict(project.variables), source=dataset.name)
    result = build.run(command, environment=project.provision.environment)
    if not result.ok:
        raise _failed(fixup, "\n".join((result.reason(), *result.tail)))


def _failed(fixup: Fixup, why: str) -> InfrastructureError:
    return InfrastructureError(f"The fix-up at {fixup.at} failed: {fixup.words}\n{why}", code="fixup-failed")
