# Hook specifications have a docstring for a body.
# mypy: disable-error-code="empty-body"
"""The hooks of thcore.

A plugin is any object whose attributes carry ``@hookimpl``; an entry point of group ``thcore.plugins`` names it. An
implementation takes only the arguments that it wants, by name. Unless a hook says otherwise:

* it is called for the builds of jobs that name the plugin, one plugin at a time;
* stage hooks run in the child process that owns the build, everything else in the worker;
* an exception becomes a finding that names plugin, distribution, version and hook, and other plugins still run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from thcore.hooks.build import Build
from thcore.hooks.markers import hookspec
from thcore.model import (
    Attempt,
    BuildEvent,
    BuildRequest,
    Checkout,
    Command,
    Environment,
    Execution,
    Finding,
    LivePage,
    Outcome,
    Publication,
    WorkerEvent,
)


@hookspec
def thcore_job_options() -> type[Any] | None:
    """Say which options a job may give this plugin.

    Called once, when the plugin is loaded; in the worker and in ``thcore config check``. Answers a frozen attrs class;
    its fields become the keys under the plugin's name in a job. None: the plugin takes no options. An exception is
    reported as a problem of the plugin, which is then left out.

    .. code-block:: python

        from attrs import frozen
        from thcore.hooks import hookimpl, option
        from thcore.model import Seconds

        @frozen
        class TidyOptions:
            files: tuple[str, ...] = option("Which files to look at.", default=("*.sql",))
            limit: Seconds = option("How long it may take.", default=Seconds(60.0))

        class Tidy:
            @hookimpl
            def thcore_job_options(self):
                return TidyOptions
    """


@hookspec
def thcore_settings() -> type[Any] | None:
    """Say which worker-wide settings this plugin has.

    Called once, when the plugin is loaded; in the worker and in ``thcore config check``. Answers a frozen attrs class;
    its fields become the keys under ``plugins: {NAME: …}`` at the top of the configuration. Stage hooks find the
    instance as ``build.settings``. None: the plugin has no settings. An exception is reported as a problem of the
    plugin, which is then left out.

    .. code-block:: python

        from attrs import frozen
        from thcore.hooks import hookimpl, option

        @frozen
        class ChatSettings:
            server: str = option("Host name of the chat server.")

        class Chat:
            @hookimpl
            def thcore_settings(self):
                return ChatSettings
    """


@hookspec
def thcore_preload() -> None:
    """Import and prepare what builds need, once, instead of in every build.

    Called once in the nursery, the process of the worker that the child processes of builds are forked from, before the
    first build. Importing a library or compiling a template here costs builds nothing. Must start no thread and open no
    connection: neither survives the fork. ``thcore run`` does not call it. The answer is ignored. An exception is
    logged, and builds do without.

    .. code-block:: python

        from thcore.hooks import hookimpl

        class Report:
            @hookimpl
            def thcore_preload(self):
                import xml.etree.ElementTree
    """


@hookspec
def thcore_checkout(build: Build, options: Any) -> Checkout:
    """Stage 1: put the change's work tree under ``build.workspace.source``.

    Called in the child process, by exactly one plugin of the job. None is an error of the plugin. ChangeError makes
    the verdict FAILURE; InfrastructureError and everything else make it UNVERIFIED, so that Zuul retries. The stages
    that follow are skipped, analyse and publish are not. Also called, with another change and a workspace of its own,
    for ``build.provision``.

    .. code-block:: python

        from thcore.hooks import hookimpl
        from thcore.model import Checkout, Command

        class Tarball:
            @hookimpl
            def thcore_checkout(self, build, options):
                source = build.workspace.source
                source.mkdir(parents=True)
                build.run(Command(("tar", "-xf", f"/srv/tarballs/{build.change.commit}.tar", "-C", str(source))))
                return Checkout(source, build.change.commit)
    """


@hookspec
def thcore_resolve(build: Build, options: Any) -> str | None:
    """Say which commit ``build.change`` is at, without a work tree.

    Called in the child process, for ``build.resolve``, on the plugin of the job that does the checkout, with another
    change as for ``build.provision``; ``build.workspace`` is the one of the build. Answers 40 hexadecimal digits.
    None, as well as no such hook: the revision is checked out in order to know. Exceptions count as for
    ``thcore_checkout``.

    .. code-block:: python

        from thcore.hooks import hookimpl
        from thcore.model import Command

        class Remote:
            @hookimpl
            def thcore_resolve(self, build, options):
                argv = ("git", "ls-remote", "--", f"{build.change.source}/{build.change.project}", build.change.branch)
                result = build.run(Command(argv, source="git", capture=True))
                return result.stdout[:40].decode() if result.ok else None
    """


@hookspec
def thcore_environment(build: Build, options: Any, checkout: Checkout) -> Environment:
    """Stage 2: build what the project's programs need in order to run.

    Called in the child process, by exactly one plugin of the job; without one, programs run in a bare environment.
    None is an error of the plugin. Exceptions count as for ``thcore_checkout``: a change that does not install is a
    ChangeError, a package index that does not answer an InfrastructureError. Also called for ``build.provision``.

    .. code-block:: python

        from pathlib import Path
        from thcore.hooks import hookimpl
        from thcore.model import Environment

        class Toolbox:
            @hookimpl
            def thcore_environment(self, build, options, checkout):
                return Environment(path=(Path("/opt/toolbox/bin"), checkout.path / "bin"))
    """


@hookspec
def thcore_execute(build: Build, options: Any, checkout: Checkout, environment: Environment) -> Execution:
    """Stage 3: do the job's work.

    Called in the child process, by exactly one plugin of the job. A program that exits with an error is no exception:
    answer an Execution with its exit code, or with findings, and let the analysers judge. None is an error of the
    plugin. Exceptions count as for ``thcore_checkout``.

    .. code-block:: python

        from thcore.hooks import hookimpl
        from thcore.model import Command, Execution

        class Suite:
            @hookimpl
            def thcore_execute(self, build, options, checkout, environment):
                command = Command(("python", "-m", "unittest"), cwd=checkout.path, source="unittest")
                result = build.run(command, environment=environment)
                return Execution(exit_code=result.exit_code, message=result.reason())
    """


@hookspec
def thcore_analyse(build: Build, options: Any, execution: Execution) -> Iterable[Finding] | None:
    """Stage 4: say what the execution means.

    Called in the child process, for every analyser of the job, also when an earlier stage failed; ``execution`` is
    then empty (``exit_code`` None). None means nothing to say. An exception becomes a finding of severity
    ``unverified``: an analyser that broke has not passed the change.

    .. code-block:: python

        from thcore.hooks import hookimpl
        from thcore.model import Finding, Severity

        class Warnings:
            @hookimpl
            def thcore_analyse(self, build, execution):
                for line in build.workspace.log.read_text("utf-8", "replace").splitlines():
                    if "DeprecationWarning" in line:
                        yield Finding("deprecated", Severity.WARNING, "A deprecated call", evidence=(line,))
    """


@hookspec
def thcore_address(request: BuildRequest, options: Any, settings: Any) -> str | None:
    """Say where the page of a build will be, before anything of it is there.

    Called in the worker, before Zuul is told that the build has begun, so that the review and the status page link to
    it from the first moment; it is also what Zuul is told when the evidence is not published yet as the build ends.
    Nothing is put up and nobody asked here: Zuul cannot cancel the build before it is answered. Of several publishers'
    answers the first counts. None: the address is not known yet; Zuul is told the one that ``thcore_publish_live`` or
    ``thcore_publish`` answers. An exception is logged, and counts as None.

    .. code-block:: python

        from thcore.hooks import hookimpl

        class Share:
            @hookimpl
            def thcore_address(self, request):
                return f"https://share.example.org/{request.log_path}/"
    """


@hookspec
def thcore_publish_live(build: Build, options: Any, page: LivePage) -> Publication | None:
    """Show people a build while it runs: put up a page that is not its last.

    Called in the child process, for every publisher of the job that has it, in a thread beside the stages: as the build
    begins, then after some seconds whenever something has changed, and once more (``page.last``) when it has its
    verdict or was cancelled. The files belong at the address that ``thcore_publish`` uses, which puts the evidence in
    their place; the page is written by thcore, and holds a few hundred KiB at most. Neither a later attempt's page nor
    one that has been published may ever be replaced: compare ``page.fence`` with the ``live/state.json`` that is there
    (``thcore.pages.identity.read``) and leave what has a ``result.json``. ``build.check()`` raises once the page comes
    too late; call it before each thing that takes time.

    Answers the address of the page to open. None: nothing is put up, and the hook is not called again for this build.
    An exception, or no answer within some seconds of the verdict, is told in the build log: the page is then given up,
    and the build goes on as if there were none.

    .. code-block:: python

        from pathlib import Path
        from thcore.hooks import hookimpl
        from thcore.model import Publication

        class Share:
            @hookimpl
            def thcore_publish_live(self, build, page):
                target = Path("/srv/share") / build.log_path
                if (target / "result.json").exists():
                    return None
                for name, content in page.files.items():
                    build.check()
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    (target / name).write_bytes(content)
                return Publication(url=f"https://share.example.org/{build.log_path}/")
    """


@hookspec
def thcore_publish(build: Build, options: Any, outcome: Outcome) -> Publication | None:
    """Stage 5: bring the evidence to where people can read it.

    Called in the child process, for every publisher of the job, also after a failed stage. Everything below
    ``build.workspace.artifacts`` is evidence; ``result.json`` is in there. Must be idempotent per attempt: it may be
    called again after a kill. Answers the address of the page to open; the first publisher's is sent to Zuul. None
    means nothing was published. An exception becomes a finding and never stops another publisher; the verdict stays.

    .. code-block:: python

        import shutil
        from pathlib import Path
        from thcore.hooks import hookimpl
        from thcore.model import Publication

        class Share:
            @hookimpl
            def thcore_publish(self, build, outcome):
                target = Path("/srv/share") / build.log_path
                shutil.copytree(build.workspace.artifacts, target, dirs_exist_ok=True)
                return Publication(url=f"https://share.example.org/{build.log_path}/")
    """


@hookspec
def thcore_cleanup(attempt: Attempt, options: Any) -> None:
    """Put away what an attempt may have left outside its workspace: servers, sockets, mounts, remote objects.

    Called in the worker, at least once for each attempt: when its child process has ended, however it ended, and
    again at the next start of a worker that died. Must be idempotent and needs no more than ids and paths. The
    workspace itself is removed by the core, afterwards. The answer is ignored. An exception is logged.

    .. code-block:: python

        import shutil
        from pathlib import Path
        from thcore.hooks import hookimpl

        class Scratch:
            @hookimpl
            def thcore_cleanup(self, attempt):
                shutil.rmtree(Path("/scratch") / f"{attempt.build_id}-{attempt.number}", ignore_errors=True)
    """


@hookspec
def thcore_build_event(event: BuildEvent) -> None:
    """Hear what happens to a build of a job that names this plugin.

    Called in the worker, in one thread for all events, in order. The answer is ignored, an exception is logged: an
    event can never affect a build. One who takes long delays what others hear; when a thousand calls wait, news is
    dropped.

    .. code-block:: python

        from thcore.hooks import hookimpl

        class Bell:
            @hookimpl
            def thcore_build_event(self, event):
                print("\\a", event.job, event.kind.value, event.detail)
    """


@hookspec
def thcore_worker_event(event: WorkerEvent) -> None:
    """Hear what happens to the worker.

    Called in the worker, for every loaded plugin, in the same thread as ``thcore_build_event``. The answer is ignored,
    an exception is logged.

    .. code-block:: python

        from thcore.hooks import hookimpl
        from thcore.model import WorkerEventKind

        class Pager:
            @hookimpl
            def thcore_worker_event(self, event):
                if event.kind is WorkerEventKind.PROBLEM:
                    print("call the operator:", event.detail)
    """


@hookspec
def thcore_wrap_command(build: Build, options: Any, command: Command) -> Command | None:
    """Change a program call before it is started: sandbox, nice, tracing.

    Called in the child process before every ``build.run`` and ``build.service``, for each plugin of the job in the
    order in which the job lists them; each is given what the one before answered. None leaves the command as it is.
    An exception stops the build with verdict UNVERIFIED: a sandbox that does not work must not be skipped.

    .. code-block:: python

        from attrs import evolve
        from thcore.hooks import hookimpl

        class Nice:
            @hookimpl
            def thcore_wrap_command(self, command):
                return evolve(command, argv=("nice", "-n", "10", *command.argv))
    """


@hookspec
def thcore_health(settings: Any, state: Path, work: Path, options: tuple[Any, ...]) -> Iterable[Finding] | None:
    """Check whether this plugin could work now, and say what to do if it could not.

    Called by ``thcore doctor``, in the process of the command line, for every configured plugin. ``state`` is the
    directory that the plugin keeps between builds, ``work`` the one that workspaces are made in; neither need exist
    yet, and both may belong to another account. ``options`` are those that the jobs give the plugin, each different one
    once. Answers one finding per check, ``info`` when all is well, with the
    remedy in words in ``hint``, and where one line for a shell brings it, that in ``command``. None means nothing to
    check. An exception becomes a finding.

    .. code-block:: python

        import shutil
        from thcore.hooks import hookimpl
        from thcore.model import Finding, Severity

        class NeedsTar:
            @hookimpl
            def thcore_health(self, settings):
                if shutil.which("tar") is None:
                    yield Finding(
                        "tar-missing",
                        Severity.UNVERIFIED,
                        "tar is not on PATH",
                        hint="Install GNU tar.",
                        command="apt-get install tar",
                    )
    """


@hookspec
def thcore_commands() -> Iterable[click.Command] | None:
    """Add commands to the ``thcore`` command line.

    Called when the command line starts, for every installed plugin. None adds nothing. An exception is shown as a
    warning; the other commands work. A command that needs the configuration, the plugin's state or a build of a job is
    given them by ``thcore.hooks.with_premises``.

    .. code-block:: python

        import click
        from thcore.hooks import hookimpl

        @click.command()
        def hello():
            "Say hello."
            click.echo("hello")

        class Hello:
            @hookimpl
            def thcore_commands(self):
                return [hello]
    """
