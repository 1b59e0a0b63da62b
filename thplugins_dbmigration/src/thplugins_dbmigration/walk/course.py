"""Where a leg leads: to the head of every chain, or to versions that are named, with fix-ups on the way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field

from thcore.model import Step
from thplugins_dbmigration.tools.tool import Enough, Plan
from thplugins_dbmigration.walk.release import Fixup

_DIGITS = re.compile(r"[0-9a-f]{6,}")


def fits(target: str, version: str) -> bool:
    """Whether a version that people name is this one: they may leave out a number's zeros, or the end of a hash."""
    if target == version:
        return True
    if target.isdecimal() and version.isdecimal():
        return int(target) == int(version)
    return _DIGITS.fullmatch(target) is not None and version.startswith(target)


@define
class Course:
    """Chooses the steps of a leg, chain by chain, in one run of the project's program after the other.

    A run ends where a fix-up is ``due``; after ``fixed`` the next one goes on. ``plans`` has every chain that has shown
    itself, as it was when it did so first; ``ahead`` the steps of the leg that the last run had before it. With
    ``short_of`` the leg ends before that step.
    """

    targets: Sequence[str] = ()
    pending: list[Fixup] = field(factory=list)
    plans: dict[str, Plan] = field(factory=dict)
    ahead: dict[str, tuple[Step, ...]] = field(factory=dict)
    short_of: Step | None = None
    due: Fixup | None = None
    done: list[Fixup] = field(factory=list)
    _end: Step | None = None
    """The step that the run ends before: chosen, so that the program does not take what it has done for all."""

    def choose(self, plan: Plan) -> Sequence[Step]:
        """The steps of a chain to run now. Raises Enough where a fix-up is due before any of them."""
        self.plans.setdefault(plan.chain, plan)
        steps = self.ahead[plan.chain] = self._within(plan)
        if self.due is None:
            self.due = self._fixup_at(plan.current)
        if self.due is not None:  # later chains may build on what is not there yet
            raise Enough
        for number, step in enumerate(steps, 1):
            self.due = self._fixup_at([step.version])
            if self.due is not None:
                self._end = next(iter(steps[number:]), None)
                return steps[: number + 1]
            if step == self.short_of:
                self._end = step
                return steps[:number]
        return steps

    def before(self, step: Step) -> None:
        """A step is about to start. Raises Enough where a fix-up has to be run before it."""
        if step == self._end:
            raise Enough

    def fixed(self) -> None:
        """The fix-up that was due is done."""
        assert self.due is not None, "asked for only when one is due"  # noqa: S101 - for the type checker
        self.pending.remove(self.due)
        self.done.append(self.due)
        self.due = self._end = None

    def expected(self, chain: str) -> frozenset[str]:
        """The versions that a chain is to end at."""
        plan = self.plans[chain]
        return frozenset(_ahead(plan, self.targets)) or plan.head

    def last(self, final: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        """Of the versions that the chains list, those that people want to read: see ``Plan.last``."""
        return {chain: self.plans[chain].last(versions) for chain, versions in final.items()}

    def missed(self, final: Mapping[str, frozenset[str]], walked: Iterable[Step] = ()) -> tuple[str, ...]:
        """What is wrong with where the chains ended, in lines; empty when nothing is. ``walked`` are the steps that
        ended well."""
        been = {(step.chain, step.version) for step in walked}
        lines: list[str] = []
        for chain, plan in self.plans.items():
            versions = final[chain]
            wanted = _ahead(plan, self.targets)
            if wanted:
                fine = all(version in versions or (chain, version) in been for version in wanted)
            else:
                fine = self._passed(plan) or plan.reached(versions)
            if not fine:
                lines += _difference(chain, plan, self.expected(chain), plan.last(versions))
        unknown = [target for target in self.targets if not any(_knows(plan, target) for plan in self.plans.values())]
        if unknown and not lines:
            lines.append(f"There is no version {', '.join(unknown)} ahead of the database.")
        return tuple(lines)

    def _within(self, plan: Plan) -> tuple[Step, ...]:
        if self._passed(plan):
            return ()
        wanted = _ahead(plan, self.targets)
        if not wanted:
            return plan.steps
        last = max((number for number, step in enumerate(plan.steps, 1) if step.version in wanted), default=0)
        return plan.steps[:last]

    def _passed(self, plan: Plan) -> bool:
        """Whether the database has been where this leg leads. Only of numbers can that be told."""
        return not _ahead(plan, self.targets) and any(_is_past(target, plan.current) for target in self.targets)

    def _fixup_at(self, versions: Iterable[str]) -> Fixup | None:
        here = list(versions)
        return next((fixup for fixup in self.pending if any(fits(fixup.at, version) for version in here)), None)


def named(versions: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The versions of all chains, as results and messages show them: those of other chains than the main one carry its
    name."""
    return tuple(
        f"{chain}:{version}" if chain else version for chain in sorted(versions) for version in sorted(versions[chain])
    )


def meant(name: str, plan: Plan) -> tuple[Step, ...] | None:
    """The steps of a chain that people mean by a version, which they write as ``named`` does: one, several where too
    little is written of it, or none. None where it is of another chain."""
    chain = f"{plan.chain}:" if plan.chain else ""
    if not name.startswith(chain):
        return None
    version = name.removeprefix(chain)
    exact = tuple(step for step in plan.steps if step.version == version)
    found = exact or tuple(step for step in plan.steps if fits(version, step.version))
    return found if found or chain or ":" not in version else None


def listed(versions: Iterable[str]) -> str:
    """Versions for people."""
    return ", ".join(sorted(versions)) or "no version"


def _ahead(plan: Plan, targets: Iterable[str]) -> list[str]:
    """The versions of a chain that the targets mean, of those that it is at or has ahead."""
    known = [*plan.current, *(step.version for step in plan.steps)]
    meant = [version for target in targets for version in (target, *plan.names.get(target, ()))]
    return [version for version in known if any(fits(target, version) for target in meant)]


def _is_past(target: str, current: Iterable[str]) -> bool:
    return target.isdecimal() and any(version.isdecimal() and int(version) > int(target) for version in current)


def _knows(plan: Plan, target: str) -> bool:
    return bool(_ahead(plan, [target])) or _is_past(target, plan.current)


def _difference(chain: str, plan: Plan, expected: Iterable[str], found: Iterable[str]) -> list[str]:
    lines = [f"expected: {listed(named({chain: expected}))}", f"found: {listed(named({chain: found}))}"]
    if not plan.steps:
        lines.append(f"No migration found that leads there from {listed(plan.current)}.")
    return lines
