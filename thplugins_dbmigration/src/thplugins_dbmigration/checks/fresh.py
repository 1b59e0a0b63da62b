"""A fresh install: what the project's own command makes of an empty database. Its schema is made once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import field, frozen

from thcore.errors import InfrastructureError
from thcore.model import Progress, Provision
from thplugins_dbmigration import messages, project, schema, snapshots
from thplugins_dbmigration.checks.likeness import schema_of
from thplugins_dbmigration.checks.rerun import ImpossibleError, scratch
from thplugins_dbmigration.schema import Schema
from thplugins_dbmigration.snapshots import Key
from thplugins_dbmigration.tools.tool import Modelled
from thplugins_dbmigration.walk.course import Course
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.manner import Manner


@frozen
class Code:
    """The code of one revision. ``name`` is what people call it; ``preparation`` digests how its checkout and
    environment are made, which ``provide`` does."""

    name: str
    manner: Manner
    commit: str
    preparation: str
    provide: Callable[[], Provision] = field(repr=False)


@frozen
class Fresh:
    """A fresh install. ``models`` are its differences from the project's models, None where they are not known."""

    schema: Schema
    models: tuple[str, ...] | None = None

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> Fresh:
        """Read the notes of a snapshot. Raises InfrastructureError (``snapshot-damaged``)."""
        models = notes.get("models")
        return cls(schema.read(notes.get("schema")), None if models is None else tuple(map(str, models)))


def installed(site: Site, code: Code) -> Fresh:
    """The fresh install of a revision. All datasets of the project share it that are of the same engine.

    Raises ImpossibleError when the code makes none of an empty database.
    """
    what = f"a fresh install of {code.name}"
    kept = site.frozen(_key(site, code), what, lambda data: _make(site, code, what, data))
    try:
        return Fresh.of(kept.notes)
    except InfrastructureError:
        snapshots.drop(kept)
        raise


def _key(site: Site, code: Code) -> Key:
    dataset, installation = site.dataset, site.installation
    parts = {
        "project": dataset.project,
        "commit": code.commit,
        "environment": code.preparation,
        "options": code.manner.digest,
        "engine": site.engine.name,
        "engine_version": installation.version,
        "settings": " ".join(site.engine.settings(installation)),
        "database": dataset.database,
        "user": dataset.user,
        "character_set": dataset.character_set or "",
        "extensions": " ".join(dataset.extensions),
    }
    return Key("fresh", dataset.project, parts)


def _make(site: Site, code: Code, what: str, data: Path) -> Mapping[str, Any]:
    site.build.emit(Progress(f"{site.dataset.name}: {what}"))
    provision = code.provide()
    with scratch(site, "fresh") as directory, ExitStack() as stack:
        with site.turns.beside():
            site.engine.initialise(site.build, site.installation, directory)
            log = site.logs / "fresh.log"
            start = site.engine.start(site.build, site.installation, directory, log=log, kept=False)
            server = stack.enter_context(start)
            address = snapshots.created(server, site.dataset)
        notes = _migrated(site, code, provision, Ground(server, address))
    data.mkdir()  # what is kept is in the notes
    return notes


def _migrated(site: Site, code: Code, provision: Provision, ground: Ground) -> Mapping[str, Any]:
    build, chosen = site.build, project.choose_tool(site.build, code.manner, provision)
    made = project.project(
        build, code.manner, provision, ground.address, ground.server, config=site.place / "fresh-config"
    )
    leg = Leg(build, site.turns, site.dataset, site.engine.name, made, Course(), name=f"fresh {code.name}")
    stop = leg.walk(chosen)
    if stop.failed is not None:
        said = project.said(stop, provision)[0]
        raise ImpossibleError(f"the fresh install of {code.name} failed at {messages.way(stop.failed)}: {said}")
    missed = leg.course.missed(leg.final(chosen), leg.walked)
    if missed or not leg.walked:
        raise ImpossibleError(f"the fresh install of {code.name} runs no migration that leads to the head")
    tool = chosen.tool
    with site.turns.beside():
        models = tool.unlike_models(build, chosen.options, made) if isinstance(tool, Modelled) else None
    return {"schema": schema.written(schema_of(ground)), "models": None if models is None else list(models)}
