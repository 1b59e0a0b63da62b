"""The hooks that this plugin implements."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from thcore.errors import InfrastructureError
from thcore.hooks import Build, hookimpl, option
from thcore.model import Environment, Finding, Severity

from thplugins_example_container import image

INSTALL = "apt-get install bubblewrap"


@frozen
class ContainerOptions:
    """What a job may say."""

    image: Path = option("The directory with the container's files: usr, etc, ….", example="/srv/images/debian-12")
    network: bool = option("Whether programs may reach the network.", default=False)
    visible: tuple[Path, ...] = option(
        "More directories of the machine that programs may read.", default=(), example="[/srv/wheels]"
    )


class Container:
    """Has every program of a build run in a container: with the files of an image, the workspace, and nothing else."""

    @hookimpl
    def thcore_environment(self, build: Build, options: ContainerOptions) -> Environment:
        program = shutil.which("bwrap")
        if program is None:
            raise InfrastructureError(f"there is no bwrap, which makes containers: {INSTALL}", code="container-program")
        return Environment(
            prefix=(program, *_arguments(options, build.workspace.root), "--"),
            description=(image.name(options.image),),
        )

    @hookimpl
    def thcore_job_options(self) -> type[ContainerOptions]:
        return ContainerOptions

    @hookimpl
    def thcore_health(self, options: tuple[ContainerOptions, ...]) -> Iterator[Finding]:
        yield _kernel()
        for directory in sorted({each.image for each in options}):
            try:
                yield Finding("container-image", Severity.INFO, f"{directory} has {image.name(directory)}")
            except InfrastructureError as error:
                yield Finding("container-image", Severity.UNVERIFIED, str(error), hint="Unpack an image there.")


def _arguments(options: ContainerOptions, workspace: Path) -> Iterator[str]:
    # With --die-with-parent nothing outlives the build, however it ends: there is nothing to clean up.
    yield from ("--unshare-all", "--die-with-parent")
    if options.network:
        yield "--share-net"
    yield from image.mounts(options.image, workspace)
    yield from ("--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp")
    for directory in options.visible:
        yield from ("--ro-bind", str(directory), str(directory))
    yield from ("--bind", str(workspace), str(workspace))  # last: nothing may cover it


def _kernel() -> Finding:
    """Whether this account may make containers here."""
    try:
        call = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
        ended = subprocess.run(call, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return Finding("container-program", Severity.UNVERIFIED, "there is no bwrap", command=INSTALL)
    except subprocess.TimeoutExpired:
        return Finding("container-kernel", Severity.UNVERIFIED, "bwrap does not end")
    if ended.returncode:
        hint = "Allow user namespaces: sysctl kernel.unprivileged_userns_clone and user.max_user_namespaces."
        return Finding("container-kernel", Severity.UNVERIFIED, ended.stderr.strip(), hint=hint)
    return Finding("container-kernel", Severity.INFO, "containers can be made")


plugin = Container()
