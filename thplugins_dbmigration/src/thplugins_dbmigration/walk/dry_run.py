"""The steps of a change once more, on the schema that its leg begins with and no rows: what their statements really do
to the tables, and whether one that failed fails without any rows as well."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from thcore.errors import StoppedError
from thcore.model import Measurement, Progress, Statement, Step, StepResult
from thplugins_dbmigration.census import keeps_versions
from thplugins_dbmigration.engines.wording import changes_schema
from thplugins_dbmigration.measure.sizes import Sizes
from thplugins_dbmigration.messages import way
from thplugins_dbmigration.rehearsal import WORKS, classify, worth_rehearsing
from thplugins_dbmigration.snapshots import Key, Snapshot
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.trial import Trial


def rehearsed(trial: Trial, leg: Leg, results: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """The same results, with what the rehearsal tells of the steps that the change adds and that this build ran.
    ``leg`` is the one on which they ran.

    Costs nothing where no statement of theirs concerns a schema and none of them failed. When the rehearsal breaks,
    the statements say so, and nothing else is changed. Raises only CancelledError and DeadlineError.
    """
    return _Rehearsal(trial, leg, tuple(result for result in results if not result.leg)).told(results)


@frozen
class _Rehearsal:
    trial: Trial
    walked: Leg
    own: tuple[StepResult, ...]
    """The results of the change's leg."""

    def told(self, results: Sequence[StepResult]) -> tuple[StepResult, ...]:
        began = time.monotonic()
        known: dict[Step, StepResult] = {}
        for first, part in self._parts():
            if any(worth_rehearsing(_statements(result)) for result in part):
                known |= self._tried(part, partial(self._classified, part, first=first))
        failed = next((result for result in self.own if result.added and result.result == "failed"), None)
        if failed is not None:
            failed = known.get(failed.step, failed)
            known |= self._tried((), lambda: {failed.step: evolve(failed, on_empty=self._on_empty(failed.step))})
        if known:
            self._log(f"rehearsed without rows in {time.monotonic() - began:.3f} s")
        return tuple(known.get(result.step, result) if not result.leg else result for result in results)

    def _parts(self) -> Iterator[tuple[bool, tuple[StepResult, ...]]]:
        """The steps that are rehearsed in one go: those of the change that follow each other, and whether they begin
        where the leg does."""
        run = [result for result in self.own if result.result != "not-run" and not result.from_snapshot]
        for added, part in itertools.groupby(run, key=lambda result: result.added):
            steps = tuple(part)
            if added:
                yield steps[0] is run[0], steps

    def _tried(self, part: Iterable[StepResult], work: Callable[[], dict[Step, StepResult]]) -> dict[Step, StepResult]:
        """What the work answers; of one that breaks, the steps with the reason why nothing is known."""
        try:
            return work()
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the steps are judged by what they did with all rows
            self._log(f"the rehearsal without rows broke: {type(error).__name__}: {error}")
            reason = f"the rehearsal without rows broke: {str(error).splitlines()[0] if str(error) else error!r}"
            return {result.step: _having(result, _unknown(_statements(result), reason)) for result in part}

    def _classified(self, part: Sequence[StepResult], *, first: bool) -> dict[Step, StepResult]:
        site, found = self.trial.site, dict[Step, StepResult]()
        with site.ground(self._empty(), site.place / f"rehearsal-{_name(part[0])}", kept=False) as ground:
            if not first:  # what came before is not the change's, and its statements are not known
                leg = self.trial.unjudged(ground, site.place / "rehearsal", "without rows", part[0].step)
                leg.walk(self.trial.chosen)
            with site.turns.beside(), ground.server.stage(ground.address) as stage:
                for result in part:
                    site.build.check()
                    sizes = self.walked.sizes.get(result.step, Sizes())
                    found[result.step] = _having(result, classify(stage, _statements(result), sizes))
        return found

    def _on_empty(self, failed: Step) -> str:
        """How the step ends without rows: ``ok``, ``failed``, or empty where it is not reached."""
        site = self.trial.site
        site.build.emit(Progress(f"{site.dataset.name}: {way(failed)} once more, without rows"))
        following = next((result.step for result in self.own if result.result == "not-run"), None)
        with site.ground(self._empty(), site.place / "on-empty", kept=False) as ground:
            leg = self.trial.unjudged(ground, site.place / "rehearsal", "without rows", following)
            leg.walk(self.trial.chosen)
        ended = next((result.result for result in leg.results if result.step == failed), "")
        return ended if ended in {"ok", "failed"} else ""

    def _empty(self) -> Snapshot:
        """The state that the leg began at, without rows."""
        site = self.trial.site
        after = self.trial.state.snapshot.key
        tables = frozenset(plan.table for plan in self.walked.course.plans.values() if plan.table)
        parts = {name: after.parts[name] for name in ("project", "engine", "engine_version") if name in after.parts}
        key = Key("empty", site.dataset.name, {**parts, "kept": ", ".join(sorted(tables)), "after": after.digest})

        def make(data: Path) -> Mapping[str, Any]:
            with site.ground(self.trial.state.snapshot, data) as ground, site.turns.beside():
                known = ground.server.sizes(ground.address)
                ground.server.empty(ground.address, {*tables, *filter(keeps_versions, known)})
            site.freeze(data)
            return {}

        return site.frozen(key, "without rows", make)

    def _log(self, told: str) -> None:
        self.trial.site.build.log(told, source=self.trial.site.dataset.name)


def _statements(result: StepResult) -> tuple[Statement, ...]:
    return result.measurement.statements if result.measurement is not None else ()


def _having(result: StepResult, statements: tuple[Statement, ...]) -> StepResult:
    measurement: Measurement | None = result.measurement
    if measurement is None:
        return result
    return evolve(result, measurement=evolve(measurement, statements=statements))


def _unknown(statements: Iterable[Statement], reason: str) -> tuple[Statement, ...]:
    return tuple(
        evolve(each, unknown={**each.unknown, WORKS: reason}) if changes_schema(each.text) else each
        for each in statements
    )


def _name(result: StepResult) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in result.step.version)[:40]
