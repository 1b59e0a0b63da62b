"""A build that does nothing, done once in the nursery.

What Python makes when it is first used (compiled patterns, generated converters, late imports) costs some 50 ms. Done
here, every child that is forked afterwards has it already.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path

from thcore.errors import PluginError
from thcore.hooks import Build, hookimpl
from thcore.model import BuildRequest, Change, ChangeKind, Checkout, Execution, Finding, Severity, StageName, WorkerInfo
from thcore.monitoring.action import event
from thcore.pipeline import lifecycle, workspace
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins
from thcore.process.interrupt import Interrupt
from thcore.worker import message, waiting
from thcore.worker.message import Assignment, Cancel, Ended, Judged

log = logging.getLogger(__name__)


class Nothing:
    """Does every stage of the rehearsed build."""

    @hookimpl
    def thcore_checkout(self, build: Build) -> Checkout:
        return Checkout(build.workspace.source, "0" * 40)

    @hookimpl
    def thcore_execute(self) -> Execution:
        return Execution(exit_code=0)

    @hookimpl
    def thcore_analyse(self) -> tuple[Finding, ...]:
        return (Finding("rehearsed", Severity.INFO, "Nothing was done"),)


def rehearse(plugins: Plugins) -> None:
    """Do the build, and let every plugin prepare itself."""
    for name in plugins.implementing("thcore_preload"):
        try:
            with waiting.for_hook(plugins.get(name).info, "thcore_preload"):
                plugins.preload(name)
        except PluginError as error:
            log.warning("%s", error, extra=event("plugin_failed"))
    actor = Plugins()
    actor.add("nothing", Nothing())
    stages = {stage: actor.implementing(f"thcore_{stage.value}") for stage in StageName}
    plan = Plan("rehearsal", ("nothing",), stages, {}, {}, (actor.get("nothing").info,))
    request = BuildRequest("0", "rehearsal", Change("rehearsal", ChangeKind.BRANCH, branch="main"), {}, "rehearsal")
    with tempfile.TemporaryDirectory(prefix="thcore-rehearsal-") as directory, Interrupt() as interrupt:
        place = workspace.create(Path(directory), "0", 1)
        surroundings = Surroundings(actor, WorkerInfo("", "", ""), Path(directory))
        with _echo() as tell:
            tell(Assignment(request, 1, str(place.root)))
            tell(Cancel("rehearsed"))
            outcome = lifecycle.run(
                request, 1, plan, surroundings, place, interrupt, tell, lambda told: tell(Judged(told))
            )
            tell(Ended(outcome))


@contextmanager
def _echo() -> Iterator[Callable[[message.Message], None]]:
    """Sends messages to itself."""
    ours, theirs = Pipe()
    with ours, theirs:

        def tell(told: message.Message) -> None:
            message.send(ours, told)
            message.receive(theirs)

        yield tell
