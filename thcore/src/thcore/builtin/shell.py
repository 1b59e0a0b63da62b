"""Execution of the job's own program."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from attrs import frozen

from thcore.builtin.evidence import first_line
from thcore.errors import ChangeError
from thcore.hooks import Build, hookimpl, option
from thcore.model import Checkout, Command, Environment, Execution

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HARMLESS = re.compile(r"ZUUL_[A-Za-z0-9_]*|(?:BASE_)?LOG_PATH")
_DANGEROUS = re.compile(
    r"PATH|HOME|SHELL|SHELLOPTS|IFS|ENV|CDPATH|TMPDIR|PS4|PROMPT_COMMAND|WORKSPACE|LOG_DIR|VIRTUAL_ENV|LOCPATH|"
    r"(?:LD_|DYLD_|GLIBC_|MALLOC_|BASH_|THCORE_|GIT_|PYTHON|UV_|PIP_|PERL|RUBY|NODE_|SSH_|SSL_|OPENSSL_).*"
)


@frozen
class ShellOptions:
    """Options of the shell plugin."""

    script: tuple[str, ...] = option(
        "The program and its arguments; there is no shell. A relative path with a slash is one inside the checkout.",
        example="[./tools/gate.sh, --verbose]",
    )
    result_file: str = option(
        "File in the evidence whose first line is the message of the build. The program finds its path as"
        " `THCORE_RESULT_FILE`.",
        default="result.txt",
    )
    variables: Mapping[str, str] = option(
        "More variables for the program's environment.", factory=dict, example="{LC_ALL: C.UTF-8}"
    )
    parameters: tuple[str, ...] = option(
        "Job parameters to pass on besides those that Zuul sets (`ZUUL_*`, `LOG_PATH`, `BASE_LOG_PATH`). They come"
        " with the build and are not to be trusted.",
        default=(),
        example="[MOOD]",
    )

    def __attrs_post_init__(self) -> None:
        if not self.script or not self.script[0]:
            raise ValueError("script is empty; name a program")
        result = PurePosixPath(self.result_file)
        if result.is_absolute() or ".." in result.parts or not result.name:
            raise ValueError(f"result_file {self.result_file!r} is no relative path inside the evidence")
        for name in self.parameters:
            if not _NAME.fullmatch(name) or _DANGEROUS.fullmatch(name):
                raise ValueError(f"parameters: {name!r} may not come from outside; set it with variables instead")
        for name in self.variables:
            if not _NAME.fullmatch(name):
                raise ValueError(f"variables: {name!r} is no name of a variable")


class ShellPlugin:
    """The plugin ``shell``."""

    @hookimpl
    def thcore_job_options(self) -> type[ShellOptions]:
        """Options of a job."""
        return ShellOptions

    @hookimpl
    def thcore_execute(
        self, build: Build, options: ShellOptions, checkout: Checkout, environment: Environment
    ) -> Execution:
        """Run the script in the checkout.

        Its exit status is 128 plus the signal when a signal ended it, as a shell would say. Raises ChangeError
        (``script-missing``) when the change has no such script.
        """
        result_file = build.workspace.artifacts / options.result_file
        result_file.parent.mkdir(parents=True, exist_ok=True)
        command = Command(
            (_program(options.script[0], checkout.path), *options.script[1:]),
            cwd=checkout.path,
            env={
                **exported(build.parameters, options.parameters),
                "WORKSPACE": str(checkout.path),
                "LOG_DIR": str(build.workspace.artifacts),
                **options.variables,
                "THCORE_RESULT_FILE": str(result_file),
            },
            source=PurePosixPath(options.script[0]).name or "script",
        )
        result = build.run(command, environment=environment)
        code = 128 + result.signal if result.signal is not None else result.exit_code
        message = first_line(result_file, build.workspace.artifacts)
        return Execution(exit_code=code, message=message, reason="" if result.ok else result.reason())


plugin = ShellPlugin()


def exported(parameters: Mapping[str, str], wanted: tuple[str, ...]) -> dict[str, str]:
    """The job parameters that a program may see: nothing that changes how programs are found, loaded or run."""
    return {
        name: value
        for name, value in parameters.items()
        if (_HARMLESS.fullmatch(name) or name in wanted) and "\0" not in value
    }


def _program(name: str, checkout: Path) -> str:
    if "/" not in name or name.startswith("/"):
        return name
    path = checkout / name
    if not path.resolve().is_relative_to(checkout.resolve()):
        raise ChangeError(f"the script {name} leads out of the checkout", code="script-missing")
    if not path.is_file():
        raise ChangeError(f"the change has no script {name}", code="script-missing")
    if not os.access(path, os.X_OK):
        raise ChangeError(
            f"the script {name} is not executable; run `git update-index --chmod=+x`", code="script-missing"
        )
    return str(path)
