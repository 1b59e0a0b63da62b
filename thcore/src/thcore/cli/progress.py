"""A build as it runs, for people: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from thcore.cli.dataset import styled
from thcore.cli.terminal import plain, printable
from thcore.model import BuildEvent, BuildEventKind


class BuildDisplay:
    """Shows the events of one build. On a terminal, one line per stage with a bar; elsewhere a line per event."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console = console
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def hear(self, event: BuildEvent) -> None:
        """Take one event."""
        if event.stage is None:
            return
        if self._progress is None:
            self._print(event)
        else:
            self._draw(self._progress, event, event.stage)

    def stop(self) -> None:
        """Draw no more: the terminal is somebody else's now."""
        if self._progress is not None:
            self._progress.stop()

    def _print(self, event: BuildEvent) -> None:
        at = f"{event.at:%H:%M:%S}"
        if event.kind is BuildEventKind.STAGE_STARTED:
            self._console.print(f"{at} {event.stage}", markup=False, highlight=False)
        elif event.kind is BuildEventKind.STAGE_ENDED:
            self._console.print(f"{at} {event.stage}: {printable(event.detail)}", markup=False, highlight=False)
        else:
            part = f" ({event.done}/{event.total})" if event.total else ""
            self._console.print(f"{at}   {printable(event.detail)}{part}", markup=False, highlight=False)

    def _draw(self, progress: Progress, event: BuildEvent, stage: str) -> None:
        if event.kind is BuildEventKind.STAGE_STARTED:
            self._tasks[stage] = progress.add_task(f"{stage:12}", total=None, detail="")
            return
        task = self._tasks.get(stage)
        if task is None:  # whoever listens late has missed its start
            return
        if event.kind is BuildEventKind.PROGRESS:
            total = event.total or None
            progress.update(task, total=total, completed=event.done, detail=plain(event.detail))
            return
        progress.update(task, total=1, completed=1, detail=styled(event.detail))
        progress.stop_task(task)


@contextmanager
def build_display(console: Console, *, quiet: bool = False) -> Iterator[BuildDisplay]:
    """A display for the time of a build. ``quiet`` shows nothing, for ``--json``."""
    if quiet:
        yield BuildDisplay(Console(quiet=True), None)
    elif not console.is_terminal:
        yield BuildDisplay(console, None)
    else:
        columns = (
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        with Progress(*columns, console=console) as progress:
            yield BuildDisplay(console, progress)
