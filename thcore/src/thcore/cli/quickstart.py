"""``thcore quickstart``: the whole way, on parts that come with the packages."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from attrs import evolve
from rich.console import Console
from rich.markup import escape

from thcore.cli.outcome import show_outcome
from thcore.cli.progress import BuildDisplay, build_display
from thcore.config import load
from thcore.config.schema import Config
from thcore.errors import ConfigError, ExitCode, InfrastructureError
from thcore.gearman.client import Submission, zuul_parameters
from thcore.gearman.embedded import EmbeddedServer
from thcore.model import BuildEvent, Outcome
from thcore.monitoring import logbook
from thcore.plugins import Plugins
from thcore.quickstart import site
from thcore.quickstart.site import SampleChange, Site
from thcore.worker import daemon
from thcore.worker.daemon import Watchers
from thcore.worker.signals import Signals

NEEDED = {
    "dbmigration": "thplugins-dbmigration[embedded]",
    "publish_local": "thplugins-publish-local",
}
"""Plugins that the quickstart cannot do without, and what installs them."""


@click.command(short_help="Judge two changes of a sample project, start to end.")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default="thcore-quickstart")
@click.option("--serve", is_flag=True, help="Go on serving afterwards, until Ctrl-C: for builds of your own.")
def quickstart(directory: Path, *, serve: bool) -> ExitCode:
    """Judge two changes of a sample project against a dataset, and leave DIRECTORY behind to go on from.

    Nothing needs to be installed or running: the Gearman server is in this process, the PostgreSQL server comes
    from a package. One change passes; the other fails, because of the data.

    \b
    Example: thcore quickstart shop-demo
    """
    console = Console()
    _check_parts()
    logger = logging.getLogger("thcore")
    logger.setLevel(logging.CRITICAL)  # the display tells it better
    outcomes: list[Outcome] = []
    with EmbeddedServer() as server:
        made = site.make(directory, server.address) if serve else site.make(directory)
        console.print(f"Made a project, a dataset and a configuration in {escape(str(made.root))}", highlight=False)
        with _worker(made, server.address) as worker:
            for number, change in enumerate(site.CHANGES, 1):
                console.print()
                console.print(f"[bold]Change {number}[/bold] of {site.PROJECT} {change.title}", highlight=False)
                outcomes.append(worker.judge(server.address, change, console))
                show_outcome(console, outcomes[-1])
            met = [outcome.verdict.value for outcome in outcomes] == [change.expected for change in site.CHANGES]
            _show_end(console, made, outcomes[-1], met=met, serving=serve)
            if serve:
                logbook.start(worker.config.log)
                logger.setLevel(logging.NOTSET)
                worker.go_on()
    return ExitCode.SUCCESS if met else ExitCode.INTERNAL


def _check_parts() -> None:
    plugins = Plugins.installed(NEEDED)
    missing = [package for name, package in NEEDED.items() if name not in plugins.names]
    if missing:
        problems = [str(problem) for problem in plugins.problems]
        raise ConfigError(*problems, f"the quickstart needs more packages: pip install {' '.join(missing)}")


class _Worker:
    """A worker in a thread of this process, and what it tells the command."""

    def __init__(self, config: Config, read_again: Callable[[], Config]) -> None:
        self.config = config
        self._read_again = read_again
        self._display: BuildDisplay | None = None
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._signals = Signals()
        self._ready = threading.Event()
        self._failures: list[Exception] = []
        self._thread = threading.Thread(target=self._serve, name="worker", daemon=True)

    def start(self) -> None:
        """Wait until builds can come. Raises what keeps it from starting."""
        self._thread.start()
        self._ready.wait()
        if self._failures:
            raise self._failures[0]

    def judge(self, server: str, change: SampleChange, console: Console) -> Outcome:
        """Submit one change and follow it to its outcome."""
        _, _, _, number, patchset = change.ref.split("/")
        arguments = zuul_parameters(
            site.PROJECT,
            job=site.JOB,
            branch="main",
            ref=change.ref,
            pipeline="check",
            change=number,
            patchset=patchset,
        )
        with build_display(console) as display:
            self._display = display
            with Submission(server, site.JOB, arguments) as submission:
                for _event in submission.events():
                    pass
        self._display = None
        try:
            return self._outcomes.get(timeout=10)
        except queue.Empty:
            raise InfrastructureError("the worker did not tell how the build ended") from None

    def go_on(self) -> None:
        """Let it serve until it is told to stop, by the same signals as ``thcore serve``."""
        with self._signals.installed():
            self._thread.join()
        if self._failures:
            raise self._failures[0]

    def stop(self, reason: str, times: int = 1) -> None:
        """End it; a second time forces it."""
        for _ in range(times):
            self._signals.stop(reason)
        self._thread.join()

    def _serve(self) -> None:
        watchers = Watchers(lambda _name: self._ready.set(), self._hear, self._outcomes.put)
        try:
            daemon.serve(self.config, self._signals, read_again=self._read_again, watchers=watchers)
        except Exception as error:  # noqa: BLE001 - raised again where the command can show it
            self._failures.append(error)
            self._ready.set()

    def _hear(self, event: BuildEvent) -> None:
        if self._display is not None:
            self._display.hear(event)


@contextmanager
def _worker(made: Site, server: str) -> Iterator[_Worker]:
    """A worker that serves the site's configuration to ``server``."""

    def read() -> Config:
        return _with_server(load(made.configuration), server)

    worker = _Worker(read(), read)
    try:
        worker.start()
        yield worker
    except BaseException:
        worker.stop("interrupted", times=2)
        raise
    worker.stop("the quickstart is done")


def _with_server(config: Config, server: str) -> Config:
    return evolve(config, gearman=evolve(config.gearman, servers=(server,), name="quickstart"))


def _show_end(console: Console, made: Site, last: Outcome, *, met: bool, serving: bool) -> None:
    console.print()
    if not met:
        console.print("[bold red]A verdict is not the expected one;[/bold red] the evidence says why.")
    pages = [publication.url for publication in last.publications] or [(made.results / "index.html").as_uri()]
    console.print(f"Open this page: [bold]{escape(pages[0])}[/bold]", highlight=False, soft_wrap=True)
    command = "submit" if serving else "run"
    lines = [
        f"cd {made.root}",
        f"thcore {command} {site.JOB} --project {site.PROJECT} --branch main --ref {site.CHANGES[0].ref}",
    ]
    if serving:
        console.print("The worker and its Gearman server go on until Ctrl-C. In another terminal:", highlight=False)
        lines.append("thcore reload    # takes a changed thcore.yaml, and plugins that are new")
    else:
        console.print(f"Go on from {escape(str(made.configuration))}:", highlight=False, soft_wrap=True)
    for line in lines:
        console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
