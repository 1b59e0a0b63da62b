"""The hooks that this plugin implements."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen
from thcore.errors import ChangeError
from thcore.hooks import Build, hookimpl, option
from thcore.model import Checkout, Command, Environment, Execution, Finding, Record, Severity

from thplugins_example_tap import protocol
from thplugins_example_tap.protocol import Suite

_LARGEST = 32 * 1024 * 1024
_SHOWN = 25
_TITLE = 200


@frozen
class TapOptions:
    """What a job may say."""

    command: tuple[str, ...] = option(
        "The test suite and its arguments; there is no shell. It prints TAP.", example="[prove, --verbose, t/]"
    )

    def __attrs_post_init__(self) -> None:
        if not self.command:
            raise ValueError("command is empty; name a program")


class Tap:
    """Runs a test suite that speaks TAP, and tells which tests have failed."""

    @hookimpl
    def thcore_job_options(self) -> type[TapOptions]:
        return TapOptions

    @hookimpl
    def thcore_execute(
        self,
        build: Build,
        options: TapOptions,
        checkout: Checkout,
        environment: Environment,
    ) -> Execution:
        command = Command(options.command, cwd=checkout.path, source="tap", capture=True, capture_limit=_LARGEST)
        result = build.run(command, environment=environment)
        if len(result.stdout) >= _LARGEST:
            raise ChangeError(f"the test suite prints more than {_LARGEST} bytes", code="tests-too-loud")
        suite = protocol.read(result.stdout.decode("utf-8", "replace").split("\n"))
        return Execution(
            exit_code=128 + result.signal if result.signal is not None else result.exit_code,
            message=_summary(suite),
            reason="" if result.ok else result.reason(),
            findings=tuple(_findings(suite)),
            # For analysers of others: what there was to test, and how it went.
            records=(Record("tap", {"tests": len(suite.points), "failed": len(suite.failed)}),),
        )


def _summary(suite: Suite) -> str:
    if suite.failed:
        return f"{len(suite.failed)} of {len(suite.points)} tests failed"
    return f"{len(suite.points)} tests passed"


def _findings(suite: Suite) -> Iterator[Finding]:
    if suite.bailed is not None:
        yield Finding("tests-given-up", Severity.FAILURE, f"The test suite gave up: {_legible(suite.bailed)}")
    elif suite.missing:
        what = f"planned {suite.planned} tests and ran {len(suite.points)}"
        yield Finding("tests-missing", Severity.FAILURE, f"The test suite {what}", hint="Look for where it ended.")
    for point in suite.failed[:_SHOWN]:
        yield Finding("test-failed", Severity.FAILURE, f"Test failed: {_legible(point.title)}")
    if len(suite.failed) > _SHOWN:
        more = len(suite.failed) - _SHOWN
        yield Finding("test-failed", Severity.FAILURE, f"{more} more tests failed", hint="See the build log.")


def _legible(text: str) -> str:
    """One line without control characters: what a suite prints is not trusted."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_TITLE]).strip() or "without a name"


plugin = Tap()
