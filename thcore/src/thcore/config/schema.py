"""The configuration file as frozen values. The reference in the documentation is made from these classes."""

# ruff: noqa: RUF009 - _key and _filled make attrs fields, not values
from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
from attrs import frozen

from thcore.config.database import check_database
from thcore.config.problem import Problem, WrongError
from thcore.model import Bytes, Seconds, Secret, StageName

DEFAULT_GEARMAN_PORT = 4730

CHOSEN_STAGES = (StageName.CHECKOUT.value, StageName.ENVIRONMENT.value, StageName.EXECUTE.value)
"""The stages that exactly one plugin of a job does. The others are done by all plugins that can."""

_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+)(?::(?P<port>[0-9]{1,5}))?")


def _key(
    doc: str,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    example: str | None = None,
    validator: Callable[[Any, Any, Any], None] | None = None,
    opaque: bool = False,
) -> Any:
    """A key of the file. ``opaque``: only a plugin knows what is in it, so it is never shown."""
    metadata = (
        {"doc": doc} | ({"example": example} if example is not None else {}) | ({"opaque": True} if opaque else {})
    )
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata, validator=validator, repr=not opaque)
    return attrs.field(default=default, metadata=metadata, validator=validator)


def _filled(doc: str, *, factory: Callable[[], Any]) -> Any:
    """A field that the loader fills in; it is no key of the file."""
    return attrs.field(factory=factory, metadata={"doc": doc, "internal": True}, repr=False, eq=False)


def _at_least(least: int) -> Callable[[Any, Any, Any], None]:
    def check(_instance: Any, _field: Any, value: float) -> None:
        if value < least:
            raise ValueError(f"expected at least {least}, got {value}")

    return check


def _positive(_instance: Any, _field: Any, value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError("expected more than 0 seconds; leave the key out for no limit")


def _worker_name(_instance: Any, _field: Any, value: str | None) -> None:
    if value is not None and (not value or any(char.isspace() or not char.isprintable() for char in value)):
        raise ValueError("expected one word; it becomes part of a Gearman function's name")


def _servers(_instance: Any, _field: Any, value: tuple[str, ...]) -> None:
    if not value:
        raise ValueError("expected at least one server; write for example [127.0.0.1:4730]")
    problems = []
    for index, server in enumerate(value):
        try:
            parse_server(server)
        except ValueError as error:
            problems.append(Problem((index,), str(error)))
    if problems:
        raise WrongError(*problems)


def _database(_instance: Any, _field: Any, value: Secret | None) -> None:
    if value is not None:
        check_database(value)


def _listen(_instance: Any, _field: Any, value: str | int | None) -> None:
    if value is not None:
        parse_listen(value)


def _stages(_instance: Any, _field: Any, value: Mapping[str, str]) -> None:
    known = ", ".join(CHOSEN_STAGES)
    text = f"not a stage to choose a plugin for; those are {known}"
    if problems := [Problem((stage,), text) for stage in value if stage not in CHOSEN_STAGES]:
        raise WrongError(*problems)


def _job_name(_instance: Any, _field: Any, value: str) -> None:
    if value.startswith("build:"):
        raise ValueError(f"write the name without build:, as {value.removeprefix('build:')}")
    if not _is_name(value):
        raise ValueError(f"{value!r} is not a job name; use one word without colon and slash, as in Zuul's layout")


def _nodes(_instance: Any, _field: Any, value: tuple[str, ...]) -> None:
    text = "not a node name; use one word without colon and slash"
    if problems := [Problem((index,), text) for index, node in enumerate(value) if not _is_name(node)]:
        raise WrongError(*problems)


def _jobs(_instance: Any, _field: Any, value: tuple[JobConfig, ...]) -> None:
    if not value:
        raise ValueError("there are no jobs; add at least one, with a name and plugins")


def _is_name(text: str) -> bool:
    return (
        bool(text)
        and not text.startswith(".")
        and not any(char.isspace() or char in ":/\\" or not char.isprintable() for char in text)
    )


def parse_server(text: str) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port`` or ``[address]:port``. Raises ValueError with what was expected."""
    match = _SERVER.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else DEFAULT_GEARMAN_PORT
    if match is None or not 1 <= port <= 65535:
        raise ValueError(f"{text!r} is not a server; write host:port, for example 127.0.0.1:4730")
    return match["host"].strip("[]"), port


def parse_listen(value: str | int) -> tuple[str, int]:
    """Host and port of ``host:port``, ``[address]:port`` or a port alone, which is one of 127.0.0.1. Raises ValueError
    with what was expected."""
    text = str(value)
    match = _SERVER.fullmatch(f"127.0.0.1:{text}" if text.isdecimal() else text)
    port = int(match["port"]) if match and match["port"] else 0
    if match is None or not 1 <= port <= 65535:
        raise ValueError(f"{text!r} is no place to listen; write host:port, for example 127.0.0.1:9477")
    return match["host"].strip("[]"), port


def is_loopback(host: str) -> bool:
    """Whether only this machine itself can reach a listener at ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@frozen
class TlsConfig:
    """Certificates for the connection to Gearman. With this block, an unencrypted connection is never used.

    The server's certificate must be valid for the name by which it stands in servers.
    """

    ssl_key: Path = _key("The worker's private key, PEM, not encrypted.", example="/etc/thcore/worker.key")
    ssl_cert: Path = _key("The worker's certificate, PEM.", example="/etc/thcore/worker.crt")
    ssl_ca: Path = _key("Certificate of the authority that signed the server's, PEM.", example="/etc/thcore/ca.crt")


@frozen
class GearmanConfig:
    """Where jobs come from."""

    servers: tuple[str, ...] = _key(
        "The Gearman servers, as host:port.",
        default=("127.0.0.1:4730",),
        example="[zuul.example.org:4730]",
        validator=_servers,
    )
    name: str | None = _key(
        "The worker's name, to which Zuul sends its stop requests. Must be unique among all workers of a server. "
        "Default: made of the host name.",
        default=None,
        example="worker-1",
        validator=_worker_name,
    )
    tls: TlsConfig | None = _key("Certificates, for servers that speak TLS.", default=None)
    silence: Seconds = _key(
        "How long a server may leave the worker without an answer before its connection is given up. Its builds are "
        "stopped then: the server may have handed them to others.",
        default=Seconds(60.0),
        example="2m",
        validator=_at_least(1),
    )

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each server."""
        return tuple(parse_server(server) for server in self.servers)


@frozen
class DirectoriesConfig:
    """Where the worker keeps its files. A relative directory counts from the configuration file."""

    state: Path = _key(
        "What must survive a restart, and caches: journal, git objects, environments, snapshots, history.",
        default=Path("/var/lib/thcore"),
        example="/var/lib/thcore",
    )
    work: Path | None = _key(
        "Where builds work. Removed after each build. Default: work below state.", default=None, example="/srv/work"
    )

    @property
    def work_path(self) -> Path:
        """Where builds work, the default applied."""
        return self.work if self.work is not None else self.state / "work"


@frozen
class LogConfig:
    """The worker's own log; builds have theirs."""

    level: Literal["debug", "info", "warning", "error"] = _key("The least severity to log.", default="info")
    format: Literal["text", "json"] = _key("How a line is written: for people, or one JSON object.", default="text")
    file: Path | None = _key(
        "The file to append to. Default: standard error.", default=None, example="/var/log/thcore/worker.log"
    )
    max_size: Bytes = _key(
        "How large the file may grow before a new one is begun.",
        default=Bytes(100 * 1024 * 1024),
        example="100MiB",
        validator=_at_least(64 * 1024),
    )
    keep: int = _key("How many older files are kept beside it.", default=5, validator=_at_least(1))


@frozen
class WebConfig:
    """The status over HTTP: a page, metrics, and probes. There is no password, and nothing can be changed there."""

    listen: str | int | None = _key(
        "Where to listen: host:port, or a port of this machine's own loopback address. Default: nowhere.",
        default=None,
        example="127.0.0.1:9477",
        validator=_listen,
    )

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen at; None for nowhere."""
        return None if self.listen is None else parse_listen(self.listen)

    @property
    def exposed(self) -> bool:
        """Whether other machines can reach it."""
        return self.address is not None and not is_loopback(self.address[0])


@frozen
class HistoryConfig:
    """What is remembered of builds that have ended: every attempt with its stages, steps and measurements."""

    url: Secret | None = _key(
        "The database, a SQLite file or PostgreSQL, as a URL of SQLAlchemy; never shown, it may hold a password. Text, "
        "or {env: VARIABLE}, or {file: PATH}. PostgreSQL needs thcore[postgresql]. "
        "Default: history.sqlite below directories.state.",
        default=None,
        example="postgresql+psycopg://thcore@db.example.org/thcore",
        validator=_database,
    )
    keep: Seconds = _key(
        "How long an attempt is remembered.", default=Seconds(90 * 86400.0), example="90d", validator=_positive
    )
    maximum: int = _key("How many attempts are remembered at most.", default=100_000, validator=_at_least(1))


@frozen
class DefaultsConfig:
    """What every job has, unless it says otherwise."""

    timeout: Seconds | None = _key("How long a build may take.", default=None, example="2h", validator=_positive)
    plugins: Mapping[str, Mapping[str, Any]] = _key(
        "Plugins of every job, with their options.",
        factory=dict,
        opaque=True,
        example="{git: {base_url: https://opendev.org}}",
    )
    stages: Mapping[str, str] = _key(
        "Which plugin does a stage, where several could.", factory=dict, example="{checkout: git}", validator=_stages
    )


@frozen
class JobConfig:
    """A job: which plugins do its builds, with which options."""

    name: str = _key(
        "The job's name, as in Zuul's layout.", example="gate-real-db-upgrade_nova_mysql", validator=_job_name
    )
    timeout: Seconds | None = _key(
        "How long a build may take before it is stopped. Default: no limit.",
        default=None,
        example="2h",
        validator=_positive,
    )
    plugins: Mapping[str, Mapping[str, Any]] = _key(
        "The job's plugins, with their options. They are laid over those of defaults, option by option; false removes "
        "a plugin that defaults name.",
        factory=dict,
        opaque=True,
        example="{dbmigration: {datasets: /var/lib/thcore/datasets}}",
    )
    stages: Mapping[str, str] = _key(
        "Which plugin does a stage, where several could.", factory=dict, example="{checkout: git}", validator=_stages
    )
    nodes: tuple[str, ...] = _key(
        "Zuul's node names that this worker serves the job for, besides no node at all.",
        default=(),
        example="[bare-metal]",
        validator=_nodes,
    )
    default_branch: str | None = _key(
        "The branch to test when Zuul names none, as its timer pipelines do.", default=None, example="master"
    )
    shutdown_after: bool = _key(
        "Stop the worker after a build of this job, because it leaves the machine dirty.", default=False
    )
    where: str = _filled("File and key of the job: ``config.yaml: jobs[2]``.", factory=str)
    option_places: Mapping[str, Mapping[str, str]] = _filled(
        "Per plugin, where each of its options was written.", factory=dict
    )


@frozen
class Config:
    """The whole file."""

    jobs: tuple[JobConfig, ...] = _key("The jobs that this worker does.", validator=_jobs)
    gearman: GearmanConfig = _key("Where jobs come from.", factory=GearmanConfig)
    directories: DirectoriesConfig = _key("Where the worker keeps its files.", factory=DirectoriesConfig)
    slots: int = _key("How many builds run at the same time.", default=1, example="4", validator=_at_least(1))
    defaults: DefaultsConfig = _key("What every job has, unless it says otherwise.", factory=DefaultsConfig)
    plugins: Mapping[str, Mapping[str, Any]] = _key(
        "Worker-wide settings of plugins.", factory=dict, opaque=True, example="{dbmigration: {server_memory: 1GiB}}"
    )
    secrets: Mapping[str, Secret] = _key(
        "Secrets that plugins may use, by name; never shown. Text, or {env: VARIABLE}, or {file: PATH}.",
        factory=dict,
        example="{upload: {file: /etc/thcore/upload.token}}",
    )
    drain_timeout: Seconds = _key(
        "How long a stopping worker waits for its builds.", default=Seconds(7200.0), example="2h"
    )
    kill_grace: Seconds = _key(
        "How long a program has between SIGTERM and SIGKILL, and a cancelled build to put its things away.",
        default=Seconds(3.0),
        example="10s",
    )
    max_attempts: int = _key(
        "How often a build may be delivered before it is answered without another try.",
        default=3,
        validator=_at_least(1),
    )
    free_space: Bytes = _key(
        "How much room the file systems of directories.state and directories.work must have. With less, no builds are "
        "taken until there is more.",
        default=Bytes(512 * 1024**2),
        example="20GiB",
    )
    spool_size: Bytes = _key(
        "How much evidence may wait for a publisher that does not take it. With more, no builds are taken.",
        default=Bytes(10 * 1024**3),
        example="50GiB",
    )
    log: LogConfig = _key("The worker's own log.", factory=LogConfig)
    history: HistoryConfig = _key("What is remembered of builds that have ended.", factory=HistoryConfig)
    web: WebConfig = _key("The status over HTTP.", factory=WebConfig)
    conf_d: Path | None = _key(
        "A directory whose *.yaml, *.yml and *.json are merged into this file, in the order of their names: mappings "
        "key by key, jobs appended, for anything else the later one wins. Relative to this file. "
        "Default: conf.d beside this file, if there is one.",
        default=None,
        example="conf.d",
    )
    notes: tuple[str, ...] = _filled("What the loader wants the operator to know; no problem.", factory=tuple)
    files: tuple[Path, ...] = _filled("The files it was read from.", factory=tuple)
    setting_places: Mapping[str, str] = _filled("Per plugin, where its settings were written.", factory=dict)

    def job(self, name: str) -> JobConfig | None:
        """The job of that name."""
        return next((job for job in self.jobs if job.name == name), None)
