"""Where Zuul is told that the page of a build will be."""

from __future__ import annotations

from typing import Any

import pytest

from thcore.hooks import hookimpl
from thcore.model import BuildRequest, Change, ChangeKind, StageName
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins
from thcore.worker.address import address

REQUEST = BuildRequest("b1", "job", Change("example/project", ChangeKind.BRANCH, branch="main"), {}, "45/1/check/job")


class Publisher:
    """Knows where it will publish what ``answer`` makes of a request."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def thcore_address(self, request: BuildRequest, options: Any, settings: Any) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer and f"{self.answer}{request.log_path}?{options}&{settings}"

    @hookimpl
    def thcore_publish(self) -> None:
        """Publishes nothing."""


def told(**publishers: Publisher) -> str | None:
    plugins = Plugins()
    for name, plugin in publishers.items():
        assert plugins.add(name, plugin)
    names = tuple(publishers)
    stages = {**dict.fromkeys(StageName, ()), StageName.PUBLISH: names}
    plan = Plan("job", names, stages, dict.fromkeys(names, "options"), dict.fromkeys(names, "settings"))
    return address(REQUEST, plan, plugins)


def test_the_first_publisher_that_knows_it_is_asked() -> None:
    first, second = Publisher("https://one/"), Publisher("https://two/")
    assert told(silent=Publisher(None), first=first, second=second) == "https://one/45/1/check/job?options&settings"


def test_nobody_may_know() -> None:
    assert told(silent=Publisher(None)) is None


@pytest.mark.parametrize("error", [RuntimeError("oops"), SystemExit(1)])
def test_one_that_fails_costs_the_link_and_is_told(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    assert told(broken=Publisher(error)) is None
    assert "nobody knows yet where the page of this build will be: plugin broken" in caplog.text
