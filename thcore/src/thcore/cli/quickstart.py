"""``thcore quickstart``: the whole way, on parts that come with the packages."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
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
def quickstart(directory: Path) -> ExitCode:
    """Judge two changes of a sample project against a dataset, and leave DIRECTORY behind to go on from.

    Nothing needs to be installed or running: the Gearman server is in this process, the PostgreSQL server comes
    from a package. One change passes; the other fails, because of the data.

    \b
    Example: thcore quickstart shop-demo
    """
    console = Console()
    _check_parts()
    logging.getLogger("thcore").setLevel(logging.CRITICAL)  # the display tells it better
    made = site.make(directory)
    console.print(f"Made a project, a dataset and a configuration in {escape(str(made.root))}", highlight=False)
    outcomes: list[Outcome] = []
    with EmbeddedServer() as server, _worker(made, server.address) as results:
        for number, change in enumerate(site.CHANGES, 1):
            console.print()
            console.print(f"[bold]Change {number}[/bold] of {site.PROJECT} {change.title}", highlight=False)
            outcomes.append(results.judge(server.address, change, console))
            show_outcome(console, outcomes[-1])
    met = [outcome.verdict.value for outcome in outcomes] == [change.expected for change in site.CHANGES]
    _show_end(console, made, outcomes[-1], met=met)
    return ExitCode.SUCCESS if met else ExitCode.INTERNAL


def _check_parts() -> None:
    plugins = Plugins.installed(NEEDED)
    missing = [package for name, package in NEEDED.items() if name not in plugins.names]
    if missing:
        problems = [str(problem) for problem in plugins.problems]
        raise ConfigError(*problems, f"the quickstart needs more packages: pip install {' '.join(missing)}")


class _Results:
    """What the worker's thread tells the command."""

    def __init__(self) -> None:
        self.display: BuildDisplay | None = None
        self.outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    def hear(self, event: BuildEvent) -> None:
        if self.display is not None:
            self.display.hear(event)

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
            self.display = display
            with Submission(server, site.JOB, arguments) as submission:
                for _event in submission.events():
                    pass
        try:
            return self.outcomes.get(timeout=10)
        except queue.Empty:
            raise InfrastructureError("the worker did not tell how the build ended") from None


@contextmanager
def _worker(made: Site, server: str) -> Iterator[_Results]:
    """A worker in a thread of this process, serving the site's configuration to ``server``."""
    results = _Results()
    signals = Signals()
    ready = threading.Event()
    failures: list[Exception] = []
    config = _with_server(load(made.configuration), server)

    def work() -> None:
        try:
            daemon.serve(
                config,
                signals,
                watchers=Watchers(lambda _name: ready.set(), results.hear, results.outcomes.put),
            )
        except Exception as error:  # noqa: BLE001 - raised again where the command can show it
            failures.append(error)
            ready.set()

    thread = threading.Thread(target=work, name="worker", daemon=True)
    thread.start()
    try:
        ready.wait()
        if failures:
            raise failures[0]
        yield results
    except BaseException:
        signals.stop("interrupted")
        signals.stop("interrupted")
        raise
    finally:
        signals.stop("the quickstart is done")
        thread.join()


def _with_server(config: Config, server: str) -> Config:
    return evolve(config, gearman=evolve(config.gearman, servers=(server,), name="quickstart"))


def _show_end(console: Console, made: Site, last: Outcome, *, met: bool) -> None:
    console.print()
    if not met:
        console.print("[bold red]A verdict is not the expected one;[/bold red] the evidence says why.")
    pages = [publication.url for publication in last.publications] or [(made.results / "index.html").as_uri()]
    console.print(f"Open this page: [bold]{escape(pages[0])}[/bold]", highlight=False, soft_wrap=True)
    console.print(f"Go on from {escape(str(made.configuration))}:", highlight=False, soft_wrap=True)
    command = f"thcore run {site.JOB} --project {site.PROJECT} --branch main --ref {site.CHANGES[0].ref}"
    console.print(f"  cd {escape(str(made.root))}", highlight=False, soft_wrap=True)
    console.print(f"  {command}", highlight=False, soft_wrap=True)
