"""Submit a build as Zuul would, and follow it."""

from __future__ import annotations

import contextlib
import enum
import json
import logging
import queue
import ssl
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Self

import gear
from attrs import field, frozen

from thcore.errors import InfrastructureError
from thcore.gearman import admin
from thcore.gearman.address import TlsFiles, parse_address
from thcore.gearman.dial import Dial, UnreachableError
from thcore.gearman.zuul import BUILD, STOP

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
_STOP_TIMEOUT_S = 5.0
_NOT_SUBMITTED = (gear.GearmanError, gear.NoConnectedServersError)


class SubmissionEventKind(enum.Enum):
    """What can happen to a submitted build."""

    CREATED = "created"
    """The server has queued it."""
    STARTED = "started"
    """A worker has it: its first data. It can be cancelled from here on."""
    DATA = "data"
    STATUS = "status"
    ENDED = "ended"
    """The worker's last word; ``data`` is the last data it sent."""


@frozen
class SubmissionEvent:
    """Something happened to a submitted build. ``data`` is what the worker sent; ``numerator`` of ``denominator`` is
    its progress. ``result`` is set at the end: None means that Zuul would launch the build again."""

    kind: SubmissionEventKind
    data: Mapping[str, Any] = field(factory=dict)
    numerator: int = 0
    denominator: int = 0
    result: str | None = None


class _Connection(gear.Connection):  # type: ignore[misc]  # gear ships no types
    """Connects as a worker does: in bounded time, and to nobody but whom the certificate names."""

    def __init__(self, dial: Dial) -> None:
        super().__init__(dial.address.host, dial.address.port)
        self._dial = dial

    def connect(self) -> None:
        try:
            self.conn = self._dial.open()
        except InfrastructureError as error:
            raise gear.ConnectionError(str(error)) from error
        self.conn.settimeout(None)
        self.connected, self.input_buffer, self.need_bytes = True, b"", False


class _Client(gear.Client):  # type: ignore[misc]  # gear ships no types
    """Passes what happens to the one build on to a queue; None: the connection is lost."""

    def __init__(self, name: str) -> None:
        self.events: queue.SimpleQueue[SubmissionEvent | None] = queue.SimpleQueue()
        self.build: Any = None
        self._started = False
        super().__init__(name)

    def handleJobCreated(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        job = super().handleJobCreated(packet)
        self._put(job, SubmissionEventKind.CREATED)
        return job

    def handleWorkData(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        job = super().handleWorkData(packet)
        kind = SubmissionEventKind.DATA if self._started else SubmissionEventKind.STARTED
        self._started = True
        self._put(job, kind, data=_last_data(job))
        return job

    def handleWorkStatus(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        job = super().handleWorkStatus(packet)
        numbers = (_number(job.numerator), _number(job.denominator))
        self._put(job, SubmissionEventKind.STATUS, numerator=numbers[0], denominator=numbers[1])
        return job

    def handleWorkComplete(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        return self._ended(super().handleWorkComplete(packet))

    def handleWorkFail(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        return self._ended(super().handleWorkFail(packet))

    def handleWorkException(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        return self._ended(super().handleWorkException(packet))

    def handleDisconnect(self, job: Any) -> Any:  # noqa: N802 -- gear's name
        if job is self.build:
            self.events.put(None)
        return super().handleDisconnect(job)

    def connect(self, dial: Dial) -> None:
        """Connect to this server, in gear's own thread."""
        with self.connections_condition:
            self.inactive_connections.append(_Connection(dial))
            self.connections_condition.notify_all()

    def _cleanup(self) -> None:
        connections = self.active_connections + self.inactive_connections
        super()._cleanup()
        for conn in connections:
            conn.disconnect()  # gear leaves the sockets of lost connections open

    def _ended(self, job: Any) -> Any:
        data = _last_data(job)
        result = data.get("result")
        self._put(job, SubmissionEventKind.ENDED, data=data, result=result if isinstance(result, str) else None)
        return job

    def _put(self, job: Any, kind: SubmissionEventKind, **values: Any) -> None:
        if job is self.build:
            self.events.put(SubmissionEvent(kind, **values))


class Submission:
    """One build, submitted when entered and followed until left. Leaving does not cancel it.

    ``parameters`` are job arguments of Zuul, see ``zuul_parameters``; their ``ZUUL_UUID`` is the unique id unless
    ``unique`` says otherwise. With ``node`` it is for a worker with that node label. With ``background`` the server
    keeps it for whoever comes, also when we have left, and nothing can be followed.

    Entering raises InfrastructureError (code ``gearman-unreachable``) when no server answers within ``timeout_s``.
    """

    def __init__(
        self,
        server: str,
        job: str,
        parameters: Mapping[str, Any],
        *,
        node: str | None = None,
        unique: str | None = None,
        background: bool = False,
        tls: TlsFiles | None = None,
        timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self.job = job
        self._background = background
        self.unique = unique or parameters.get("ZUUL_UUID") or uuid.uuid4().hex
        self.parameters = dict(parameters)
        self.last: Mapping[str, Any] = {}
        # gear's poll loop would wait for ever for the rest of what is no data in TLS 1.3.
        self._dial = Dial(parse_address(server), tls, connect_timeout_s=timeout_s, newest_tls=ssl.TLSVersion.TLSv1_2)
        self._function = f"{BUILD}{job}:{node}" if node else f"{BUILD}{job}"
        self._timeout_s = timeout_s
        self._client: _Client | None = None

    @property
    def manager(self) -> str | None:
        """Who takes a stop for this build; None before it has started."""
        manager = self.last.get("manager")
        return manager if isinstance(manager, str) else None

    @property
    def url(self) -> str | None:
        """Where the worker says that logs or the report are."""
        url = self.last.get("url")
        return url if isinstance(url, str) else None

    def __enter__(self) -> Self:
        self._dial.open().close()  # gear tries for ever in its own thread; this tells what is wrong
        client = _Client("thcore submit")
        self._client = client
        try:
            client.connect(self._dial)
            client.waitForServer(self._timeout_s)
            client.build = gear.Job(self._function, json.dumps(self.parameters).encode(), unique=self.unique)
            client.submitJob(client.build, background=self._background, timeout=self._timeout_s)
        except (*_NOT_SUBMITTED, gear.TimeoutError) as error:
            self.close()
            raise UnreachableError(self._dial.address, str(error) or "it does not answer") from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop following. The build goes on."""
        client, self._client = self._client, None
        if client is not None:
            client.shutdown()

    def events(self, timeout_s: float | None = None) -> Iterator[SubmissionEvent]:
        """What happens, as it happens, up to ENDED. With ``timeout_s``, ends quietly when so long nothing has happened;
        calling it again goes on. Raises InfrastructureError (code ``gearman-lost``) when the connection is lost."""
        client = self._client
        while client is not None:
            try:
                event = client.events.get(timeout=timeout_s)
            except queue.Empty:
                return
            if event is None:
                raise InfrastructureError(
                    f"the connection to Gearman server {self._dial.address} is lost; the build may still be running",
                    code="gearman-lost",
                )
            if event.data:
                self.last = event.data
            yield event
            if event.kind is SubmissionEventKind.ENDED:
                return

    def stop(self) -> bool:
        """Ask the build's worker to end it, as Zuul does. False: no worker has started it, so there is none to ask."""
        client = self._client
        if client is None or self.manager is None:
            return False
        arguments = json.dumps({"name": self.job, "number": self.last.get("number")}).encode()
        job = gear.Job(f"{STOP}{self.manager}", arguments, unique=uuid.uuid4().hex)
        with contextlib.suppress(*_NOT_SUBMITTED):
            client.submitJob(job, precedence=gear.PRECEDENCE_HIGH, timeout=_STOP_TIMEOUT_S)
            return True
        return False


def offered(server: str, job: str, *, tls: TlsFiles | None = None, timeout_s: float = CONNECT_TIMEOUT_S) -> bool:
    """Whether a worker offers this job now; a build of it would otherwise wait in the queue.

    Raises InfrastructureError (code ``gearman-unreachable``).
    """
    entries = admin.status(server, tls=tls, timeout_s=timeout_s)
    return any(entry.function == f"{BUILD}{job}" and entry.workers > 0 for entry in entries)


def zuul_parameters(
    project: str,
    *,
    job: str,
    branch: str | None = None,
    ref: str | None = None,
    commit: str | None = None,
    url: str | None = None,
    pipeline: str = "submit",
    change: str | None = None,
    patchset: str | None = None,
) -> dict[str, str]:
    """Arguments as Zuul v2 makes them, with a fresh unique id.

    With ``ref`` it is a change, to be merged into ``branch``, fetched from ``url`` (a base URL to which the project is
    appended) and to be found at ``commit``. Without, it is the tip of ``branch`` at the origin, as a timer has it.
    """
    unique = uuid.uuid4().hex
    base = f"{change[-2:]}/{change}/{patchset or '1'}" if change else ""
    values = {
        "ZUUL_UUID": unique,
        "ZUUL_PROJECT": project,
        "ZUUL_PIPELINE": pipeline,
        "ZUUL_URL": url,
        "ZUUL_VOTING": "1",
        "BASE_LOG_PATH": base,
        "LOG_PATH": "/".join(part for part in (base, pipeline, job, unique[:7]) if part),
        "ZUUL_BRANCH": branch,
        "ZUUL_REF": ref,
        "ZUUL_COMMIT": commit,
    }
    if change:
        number = f"{change},{patchset or '1'}"
        values |= {"ZUUL_CHANGE": change, "ZUUL_PATCHSET": patchset or "1", "ZUUL_CHANGE_IDS": number}
        if ref and branch:
            values["ZUUL_CHANGES"] = f"{project}:{branch}:{ref}"
    return {key: value for key, value in values.items() if value is not None}


def _last_data(job: Any) -> dict[str, Any]:
    """The last data of a job, where it is a JSON object."""
    try:
        value = json.loads(job.data[-1]) if job.data else {}
    except (ValueError, RecursionError):
        log.warning("the worker sent data that is no JSON")
        return {}
    return value if isinstance(value, dict) else {}


def _number(text: bytes | str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
