"""The gate's side of the conversation. The other one is a project under test, and may say anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from thcore.errors import ChangeError
from thcore.model import CommandResult, Step
from thplugins_dbmigration.tools.conversation import Conversation
from thplugins_dbmigration.tools.told import LONGEST, MOST
from thplugins_dbmigration.tools.tool import Enough, Pause, Plan, Stop

from parts.guide import Told

A, B = Step("a"), Step("b", ("a",))
CHAIN = {
    "event": "chain",
    "tool": "alembic",
    "table": "alembic_version",
    "dialect": "sqlite",
    "database": "/d",
    "current": [],
    "head": ["b"],
    "implied": ["a"],
    "steps": [{"version": "a"}, {"version": "b", "parents": ["a"]}],
}


class Talk:
    """A conversation, and what the database lists."""

    def __init__(self, guide: Told | None = None, steps: tuple[Step, ...] = (A, B)) -> None:
        self.guide = guide or Told()
        self.versions = frozenset({"a", "b"})
        plan = Plan(frozenset(), frozenset({"b"}), steps)
        self.conversation = Conversation(self.guide, plan=lambda _shown: plan, versions=lambda _chain: self.versions)

    def say(self, message: Mapping[str, Any]) -> Any:
        return json.loads(self.conversation(json.dumps(message)))

    def step(self, event: str, step: str, chain: int = 0, **more: Any) -> bool:
        return bool(self.say({"event": event, "chain": chain, "step": step, **more})["go"])


def test_chains_are_numbered_by_the_gate() -> None:
    talk = Talk(Told(most=1))
    assert talk.say(CHAIN) == {"chain": 0, "run": ["a"]}
    assert talk.say(CHAIN) == {"chain": 1, "run": ["a"]}
    assert talk.step("before", "a", 1)
    assert talk.step("after", "a", 1, ok=True)


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "[]", "{}", '{"event": "before"}', '{"event": "chain", "steps": 5}', '{"event": ["before"]}'],
)
def test_what_no_observer_says_ends_the_program_and_is_the_changes_fault(line: str) -> None:
    talk = Talk()
    assert json.loads(talk.conversation(line)) == {"go": False}
    with pytest.raises(ChangeError, match="wrote to the observer's channel") as caught:
        talk.conversation.raise_kept()
    assert caught.value.code == "tool-unusable"


@pytest.mark.parametrize(
    ("event", "step", "chain"),
    [("before", "b", 0), ("before", "a", 1), ("before", "a", -1), ("after", "a", 0)],
    ids=["not-next", "no-such-chain", "counted-from-the-end", "not-running"],
)
def test_steps_out_of_turn_end_the_program(event: str, step: str, chain: int) -> None:
    talk = Talk()
    talk.say(CHAIN)
    assert not talk.step(event, step, chain, ok=True)
    assert talk.guide.told == []


def test_no_step_starts_while_another_runs_or_after_one_has_failed() -> None:
    talk = Talk()
    talk.say(CHAIN)
    assert talk.step("before", "a")
    assert not talk.step("before", "b")
    assert talk.say(CHAIN) == {"go": False}
    assert talk.step("after", "a", ok=False), "it may say what went wrong"
    assert not talk.step("before", "b")
    assert talk.say(CHAIN) == {"go": False}
    assert talk.conversation.stop(CommandResult(0, tail=("the reason",))) == Stop(
        A, message="Error", evidence=("Error", "the reason")
    )


def test_the_database_has_the_last_word() -> None:
    talk = Talk()
    talk.versions = frozenset()
    talk.say(CHAIN)
    talk.step("before", "a")
    assert not talk.step("after", "a", ok=True)
    stop = talk.conversation.stop(CommandResult(0))
    assert (stop.failed, stop.code) == (A, "final-version-mismatch")
    assert "at no version and not at a" in stop.message


def test_a_program_that_ends_before_its_steps_did_not_run_them() -> None:
    talk = Talk()
    talk.say(CHAIN)
    stop = talk.conversation.stop(CommandResult(0, tail=("bye",)))
    assert stop == Stop(A, message="the migration program ended early: exit status 0", evidence=("bye",))


def test_what_a_project_does_after_a_chain_that_was_cut_short_may_fail() -> None:
    talk = Talk(Told(most=0))
    assert talk.say(CHAIN) == {"chain": 0, "run": []}
    assert talk.conversation.stop(CommandResult(1)) == Stop()


def test_what_a_program_does_after_it_had_nothing_to_run_counts_unless_it_was_told_to_go_no_further() -> None:
    talk = Talk(steps=())
    talk.say(CHAIN)
    assert talk.conversation.stop(CommandResult(0)) == Stop()
    with pytest.raises(ChangeError, match="had no migration to run: exit status 1"):
        talk.conversation.stop(CommandResult(1))
    with pytest.raises(ChangeError, match=r"it said: OSError: \[Errno 28\] No space left on device"):
        talk.conversation.stop(CommandResult(1, tail=("OSError: [Errno 28] No space left on device", "bye")))
    stopped = Talk(Told(most=0))
    stopped.say(CHAIN)
    assert stopped.conversation.stop(CommandResult(1)) == Stop()


def test_what_a_program_tells_about_an_error_is_bounded() -> None:
    talk = Talk()
    talk.say(CHAIN)
    talk.step("before", "a")
    error = {"type": "Error", "message": "x" * 10 * LONGEST, "traceback": ["y" * 10 * LONGEST] * 10 * MOST}
    talk.step("after", "a", ok=False, error=error)
    stop = talk.conversation.stop(CommandResult(1))
    assert len(stop.evidence) == MOST
    assert max(map(len, (stop.message, *stop.evidence))) <= LONGEST + len("Error: ")


def test_a_step_waits_where_the_guide_wants_it_to_and_goes_on_or_ends() -> None:
    met: list[str] = []
    talk = Talk(Told(pause=Pause(3, lambda: met.append("here"))))
    talk.say(CHAIN)
    assert talk.say({"event": "before", "chain": 0, "step": "a"}) == {"go": True, "pause": 3}
    assert not talk.step("midway", "b"), "which does not run"
    assert talk.step("midway", "a")
    assert met == ["here"]
    assert talk.step("after", "a", ok=True)

    def enough() -> None:
        raise Enough

    talk.guide.pause = Pause(1, enough)
    talk.step("before", "b")
    assert not talk.step("midway", "b")
    stop = talk.conversation.stop(CommandResult(0))
    assert (stop.failed, talk.guide.told[-1]) == (B, "failed b")
