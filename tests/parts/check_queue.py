"""Changes that Zuul has tested: each is launched, and launched again, until there is an outcome."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from typing import Any

import gear
from attrs import define, field

from parts.zuul import Zuul, ZuulBuild

RETRY_LIMIT = "RETRY_LIMIT"
"""Zuul's result for a build that ended without one this often:"""
TRIES = 3

_LAUNCHES = 0x100
_NOT_LAUNCHED = ("EXCEPTION", "NOT_REGISTERED")


@define(eq=False)
class Submission:
    """A change under test. ``launches`` are its builds in order; ``outcome`` is what Zuul records in the end."""

    number: int
    kind: str
    node: str | None = None
    launches: list[ZuulBuild] = field(factory=list)
    outcome: str | None = None


def unique_id(seed: int, number: int, launch: int) -> str:
    """The unique id of a launch. Its first seven digits, which Zuul puts into log paths, name it."""
    return f"{number:05x}{launch:02x}{seed & (1 << 100) - 1:025x}"


def number_of(unique: str) -> int:
    """The number of the submission that a unique id is of."""
    return int(unique[:5], 16)


class CheckQueue:
    """Sees submissions through, ``window`` at a time, as Zuul v2 does.

    A build that ends without a result is launched again with a new unique id, three times in all. What was lost with
    the server, or could not be launched for want of one, is launched again without being counted. The evidence of
    changes whose numbers follow each other goes to ``places`` directories in turn.
    """

    def __init__(
        self, zuul: Zuul, job: str, seed: int, *, window: int, places: int = 1, patience_s: float = 60.0
    ) -> None:
        self.submissions: list[Submission] = []
        self.unanswered: list[ZuulBuild] = []
        """Builds whose end was waited for in vain."""
        self._zuul = zuul
        self._job = job
        self._seed = seed
        self._window = window
        self._places = places
        self._patience_s = patience_s
        self._launching = threading.Lock()  # Zuul launches one build after the other

    def see_through(self, submissions: Iterable[Submission]) -> None:
        """Returns when all have an outcome."""
        waiting: queue.SimpleQueue[Submission] = queue.SimpleQueue()
        for submission in submissions:
            self.submissions.append(submission)
            waiting.put(submission)
        errors: list[BaseException] = []

        def work() -> None:
            while not errors:
                try:
                    submission = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    submission.outcome = self._outcome(submission)
                except BaseException as error:
                    errors.append(error)
                    raise

        threads = [threading.Thread(target=work, name=f"queue-{n}", daemon=True) for n in range(self._window)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _outcome(self, submission: Submission) -> str:
        tries = 0
        while tries < TRIES:
            build = self._launch(submission)
            if build.ended and build.result not in {None, *_NOT_LAUNCHED}:
                return str(build.result)
            if build.ended and not build.lost and build.launch_result is None:
                tries += 1
            if len(submission.launches) == _LAUNCHES:
                return "NEVER"
        return RETRY_LIMIT

    def _launch(self, submission: Submission) -> ZuulBuild:
        unique = unique_id(self._seed, submission.number, len(submission.launches))
        parameters: dict[str, Any] = {
            **dict.fromkeys(("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE", "ZUUL_PATCHSET", "ZUUL_URL")),
            "ZUUL_PROJECT": "example/tool",
            "ZUUL_BRANCH": "main",
            "ZUUL_KIND": submission.kind,
            "LOG_PATH": f"check/{submission.number % self._places:04d}/{unique[:7]}",
        }
        with self._launching:
            self._wait_for_server()
            build = self._zuul.launch(self._job, node=submission.node, unique=unique, **parameters)
        submission.launches.append(build)
        try:
            build.wait(self._patience_s)
        except TimeoutError:
            self.unanswered.append(build)
        return build

    def _wait_for_server(self) -> None:
        try:
            self._zuul.wait_connected(30)
        except gear.TimeoutError:
            raise TimeoutError("the Gearman server is gone for good") from None
