"""A worker's status for people: a few tables on a terminal, the same without colour elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from thcore.cli.outcome import VERDICT_STYLE
from thcore.cli.terminal import printable
from thcore.model.quantity import format_duration, format_size
from thcore.monitoring.status import RunningBuild, Status

BAR_WIDTH = 16


def overview(status: Status) -> RenderableType:
    """Everything, what keeps builds from being taken first."""
    return Group(*_parts(status))


def line(status: Status) -> str:
    """The most important of it in one line of plain text."""
    told = [
        f"{status.worker.name}: {status.phase.value}, {'ready' if status.ready else 'not ready'}",
        f"{len(status.builds)} of {status.slots} slots busy",
        f"servers {sum(server.connected for server in status.servers)} of {len(status.servers)}",
    ]
    if status.spool.count:
        told.append(f"spool {status.spool.count}")
    told += [f"{build.job} {build.stage or 'begins'} {build.percent} %" for build in status.builds]
    told += [*status.not_ready, *status.warnings]
    return printable("; ".join(told))


def _parts(status: Status) -> Iterator[RenderableType]:
    yield _headline(status)
    yield from (Text(f"  {printable(reason)}", "bold red") for reason in status.not_ready)
    yield from (Text(f"  {printable(warning)}", "yellow") for warning in status.warnings)
    yield _figures(status)
    if status.builds:
        yield _titled("Running", _running(status))
    if status.last:
        yield _titled("Last", _last(status))


def _headline(status: Status) -> Text:
    ready = ("ready", "bold green") if status.ready else ("not ready", "bold red")
    who = f"{status.worker.name} ({status.phase.value}, process {status.pid}, up {format_duration(status.up_s)})"
    return Text.assemble(ready, " ", printable(who), (f" thcore {printable(status.worker.version)}", "dim"))


def _figures(status: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("Slots", f"{len(status.builds)} of {status.slots} busy")
    for title, server in zip(_titles("Servers"), status.servers, strict=False):
        state = ("connected", "green") if server.connected and not server.problem else ("not connected", "red")
        if server.connected and server.problem:
            state = ("connected", "red")
        since = "" if server.since is None else f" for {format_duration((status.at - server.since).total_seconds())}"
        problem = f": {server.problem}" if server.problem else ""
        table.add_row(title, Text.assemble(printable(server.address), " ", state, printable(f"{since}{problem}")))
    if not status.servers:
        table.add_row("Servers", "none yet")
    spool = status.spool
    waiting = (
        f"{spool.count} results, {format_size(spool.size_bytes)}, the oldest for {format_duration(spool.oldest_s)}"
    )
    table.add_row("Spool", Text(waiting, "yellow") if spool.count else "empty")
    table.add_row("Quarantine", Text(str(status.quarantine), "yellow") if status.quarantine else "empty")
    table.add_row("Refused", str(status.refused))
    for title, disk in zip(_titles("Disks"), status.disks, strict=False):
        told = f"{disk.path} ({disk.purpose}): {format_size(disk.free_bytes)} free of {format_size(disk.total_bytes)}"
        table.add_row(title, Text(printable(told), "yellow" if disk.problem else ""))
    return table


def _titles(first: str) -> Iterator[str]:
    """A title for the first of several rows."""
    yield first
    while True:
        yield ""


def _running(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Job", "Change", "Stage"):
        table.add_column(title, overflow="fold")
    table.add_column("Progress", min_width=BAR_WIDTH)
    table.add_column("%", justify="right", no_wrap=True)
    table.add_column("Age", justify="right", no_wrap=True)
    for build in status.builds:
        again = f" (attempt {build.attempt})" if build.attempt > 1 else ""
        table.add_row(
            _two(build.job, f"{build.build}{again}"),
            printable(build.change),
            _two(build.stage or "", _doing(build)),
            ProgressBar(total=100, completed=build.percent, width=BAR_WIDTH),
            str(build.percent),
            format_duration(build.age_s),
        )
    return table


def _last(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Verdict", "Job", "Summary"):
        table.add_column(title, overflow="fold")
    table.add_column("Took", justify="right", no_wrap=True)
    table.add_column("Ended", no_wrap=True)
    for build in status.last:
        ended = format_duration(max(0.0, (status.at - build.ended).total_seconds()))
        table.add_row(
            Text(build.verdict.value, VERDICT_STYLE[build.verdict]),
            _two(build.job, build.build),
            _two(build.summary, build.url),
            format_duration(build.duration_s),
            f"{ended} ago",
        )
    return table


def _doing(build: RunningBuild) -> str:
    counted = f"{build.done} of {build.total}" if build.total else ""
    return ", ".join(part for part in (build.detail, counted) if part)


def _two(above: str, below: str) -> Text:
    """Two lines of a cell, the second one quiet."""
    text = Text(printable(above))
    return text.append(f"\n{printable(below)}", "dim") if below else text


def _titled(title: str, table: Table) -> Group:
    return Group("", Text(title, "bold underline"), table)
