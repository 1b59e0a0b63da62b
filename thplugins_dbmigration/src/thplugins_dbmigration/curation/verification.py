"""Whether a dataset is what it says: its bytes, its restore, the versions that it starts at, its releases' files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration import snapshots
from thplugins_dbmigration.curation.catalogue import Entry
from thplugins_dbmigration.curation.contents import Contents, contents, disagreement
from thplugins_dbmigration.datasets import fingerprint
from thplugins_dbmigration.seeds import open_seed
from thplugins_dbmigration.snapshots.restore import restore
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.route import fixups


@frozen
class Check:
    """One thing that was looked at; ``problem`` is empty when it is as it should be, ``found`` is what was seen."""

    name: str
    found: str = ""
    problem: str = ""


def verify(site: Site, entry: Entry, *, again: bool) -> Iterator[Check]:
    """Look at one thing after the other. ``again`` restores the dataset even where a snapshot shows that it was
    restored from these bytes by this server. Raises CancelledError."""
    yield _checked("files", lambda: _files(site))
    yield _checked("releases", lambda: _releases(site, entry))
    seen: list[Contents] = []
    yield _checked("restore", lambda: _restored(site, entry, seen, again=again))
    for found in seen:
        lines = disagreement(site.dataset.start, found.versions)
        at = "; ".join(f"{table}: {', '.join(versions)}" for table, versions in found.versions.items())
        yield Check("start", at or "no version of any tool that is known", "\n".join(lines))


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, look())
    except InfrastructureError as error:
        return Check(name, problem=str(error))


def _files(site: Site) -> str:
    """Read every byte: what is known of a file goes by its size and time."""
    with tempfile.TemporaryDirectory(dir=site.build.workspace.temporary) as nowhere:
        read = fingerprint(site.dataset, Path(nowhere))
    if read != fingerprint(site.dataset, site.build.state):
        raise InfrastructureError(
            "the seed or an overlay has another content than when it was read first, but the same size and time: "
            "the disk may be failing; restore the files from where they came from",
            code="seed-broken",
        )
    overlays = len(site.dataset.overlays)
    return f"fingerprint {read[:12]}" + (f", {overlays} overlay{'s' * (overlays > 1)}" if overlays else "")


def _releases(site: Site, entry: Entry) -> str:
    """Open every file that the walk will run."""
    pending = [fixup for release in entry.releases for fixup in release.fixups]
    names = [fixup.sql for fixup in (*pending, *fixups(entry.options, site.dataset)) if fixup.sql is not None]
    for name in names:
        with open_seed(site.build, site.dataset.file(name)) as plain:
            if not plain.stat().st_size:
                raise InfrastructureError(f"{name} is empty", code="seed-broken")
    releases = ", ".join(release.name for release in entry.releases) or "none"
    return releases + (f" (fix-ups: {', '.join(names)})" if names else "")


def _restored(site: Site, entry: Entry, seen: list[Contents], *, again: bool) -> str:
    data = site.place / "data"
    if again:
        snapshots.shelf.passable(site.place)
        restore(site.build, site.engine, site.installation, site.dataset, data)
        with site.engine.start(site.build, site.installation, data, log=site.logs / "server.log") as server:
            dataset = site.dataset
            address = server.address(dataset.database, dataset.user, dataset.password.reveal())
            seen.append(contents(Ground(server, address), entry.options, dataset.tool_options))
    else:
        snapshot = snapshots.restored(site.build, site.engine, site.installation, site.dataset)
        with site.ground(snapshot, data) as ground:
            seen.append(contents(ground, entry.options, site.dataset.tool_options))
    tables = seen[0].tables
    if not tables:
        raise InfrastructureError("it restores, but there is no table in it", code="seed-broken")
    rows = sum(table.rows for table in tables)
    counted = f"{len(tables)} table{'s' * (len(tables) != 1)}, {rows:,} row{'s' * (rows != 1)}"
    return f"{counted} on {seen[0].server}"
