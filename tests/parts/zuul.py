"""A Gearman client that behaves as Zuul v2 does, and notes what a worker does against the protocol."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from typing import Any, Self

import gear
from attrs import frozen

_TERMINAL = ("COMPLETE", "FAIL", "EXCEPTION")
_KINDS = {
    gear.constants.WORK_DATA: "DATA",
    gear.constants.WORK_STATUS: "STATUS",
    gear.constants.WORK_WARNING: "WARNING",
    gear.constants.WORK_COMPLETE: "COMPLETE",
    gear.constants.WORK_FAIL: "FAIL",
    gear.constants.WORK_EXCEPTION: "EXCEPTION",
}
_NOT_SENT = (gear.GearmanError, gear.NoConnectedServersError, gear.ConnectionError, OSError, AttributeError)
"""What gear raises when the connection is lost; the last when it has no socket any more."""
BACK_TO_BACK_S = 0.25
"""Last data and terminal packet are sent together; a busy machine may still read them apart."""


@frozen
class Packet:
    """One packet as Zuul received it: what, with which payload, at which monotonic time."""

    kind: str
    payload: bytes
    at: float


class ZuulBuild:
    """One launch. What the worker sent is in ``packets``, in its order."""

    def __init__(self, zuul: Zuul, job: str, unique: str, function: str, arguments: bytes) -> None:
        self.job = job
        self.unique = unique
        self.packets: list[Packet] = []
        self.number: Any = None
        self.manager: Any = None
        self.url: str | None = None
        self.started_at: float | None = None
        self.canceled = False
        self.lost = False
        self.launch_result: str | None = None
        self.violations: list[str] = []
        self.gearman_job = gear.Job(function, arguments, unique=unique)
        self._zuul = zuul
        self._started = threading.Event()
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    @property
    def data(self) -> list[dict[str, Any]]:
        """Every payload that Zuul would have in its data list."""
        return [json.loads(packet.payload) for packet in self.packets if packet.kind != "STATUS" and packet.payload]

    @property
    def result(self) -> str | None:
        """What Zuul records; None: it launches the build again."""
        if self.launch_result is not None:
            return self.launch_result
        if self.canceled or self.lost or not self.ended or not self.data:
            return None
        result: str | None = self.data[-1].get("result")
        return result

    @property
    def started_number(self) -> Any:
        """The number of the first packet: Zuul never takes another one."""
        return self.number

    def wait(self, timeout: float = 30) -> str | None:
        """Wait for the end; the result."""
        if not self._ended.wait(timeout):
            raise TimeoutError(f"build {self.job} {self.unique} has not ended; so far: {self.packets}")
        return self.result

    def wait_started(self, timeout: float = 30) -> None:
        """Wait for the first packet."""
        if not self._started.wait(timeout):
            raise TimeoutError(f"build {self.job} {self.unique} has not started; result {self.result}")

    def cancel(self, timeout: float = 30) -> gear.Job | None:
        """End it as Zuul does. With a known number: the stop job, answered; else None after a ``cancel job``."""
        self.canceled = True
        if self.started_at is None:
            self._zuul.cancel_queued(self)
            return None
        return self._zuul.stop(self.manager, self.job, self.number, timeout)

    def receive(self, packet: Packet) -> None:
        """Take a packet, as Zuul's handlers do, and judge it."""
        if self.packets and self.packets[-1].kind in _TERMINAL:
            self.violations.append(f"{packet.kind} after {self.packets[-1].kind}")
        if packet.kind in {"WARNING", "EXCEPTION"}:
            self.violations.append(f"{packet.kind} is never to be sent: {packet.payload!r}")
        values = self._judge_payload(packet)
        if packet.kind not in _TERMINAL and self.packets and self._has_result(self.packets[-1]):
            self.violations.append(f"{packet.kind} after a result")
        self._note_start(packet, values)
        if values is not None:
            self.url = values.get("url") or self.url
        if packet.kind in _TERMINAL:
            self._judge_end(packet)
        self.packets.append(packet)
        if packet.kind in _TERMINAL:
            self._ended.set()

    def lose(self) -> None:
        """Zuul's own connection is gone."""
        self.lost = True
        self._ended.set()

    def not_launched(self, result: str) -> None:
        """Zuul could not even submit it."""
        self.launch_result = result
        self._ended.set()

    def _judge_payload(self, packet: Packet) -> dict[str, Any] | None:
        if packet.kind not in {"DATA", "COMPLETE", "WARNING"}:
            return None
        if len(packet.payload) >= 64 * 1024:
            self.violations.append(f"{packet.kind} of {len(packet.payload)} bytes")
        try:
            values = json.loads(packet.payload)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            self.violations.append(f"{packet.kind} is no JSON object: {packet.payload[:80]!r}")
            return None
        if values.get("number") != self.unique:
            self.violations.append(f"number is {values.get('number')!r}, not the unique id")
        if not values.get("manager"):
            self.violations.append("no manager: a stop would go nowhere")
        return values

    def _note_start(self, packet: Packet, values: dict[str, Any] | None) -> None:
        if self.started_at is not None:
            return
        if packet.kind != "DATA":
            self.violations.append(f"the first packet is {packet.kind}, not DATA")
        elif values is not None:
            self.number, self.manager = values.get("number"), values.get("manager")
        self.started_at = packet.at
        self._started.set()

    def _judge_end(self, packet: Packet) -> None:
        last = self.packets[-1] if self.packets else None
        if last is None or last.kind != "DATA":
            self.violations.append(f"no DATA right before {packet.kind}")
            return
        if packet.at - last.at > BACK_TO_BACK_S:
            self.violations.append(f"{packet.kind} came {packet.at - last.at:.3f} s after the last DATA")
        if packet.kind == "COMPLETE" and packet.payload != last.payload:
            self.violations.append("COMPLETE carries other data than the last DATA")
        try:
            result = json.loads(last.payload).get("result")
        except (ValueError, AttributeError):
            return
        if result is not None and not (isinstance(result, str) and result.replace("_", "").isupper()):
            self.violations.append(f"result {result!r} is no upper-case word")
        if (result == "SUCCESS") != (packet.kind == "COMPLETE"):
            self.violations.append(f"{packet.kind} with result {result!r}")

    @staticmethod
    def _has_result(packet: Packet) -> bool:
        try:
            return packet.kind == "DATA" and bool(json.loads(packet.payload).get("result"))
        except (ValueError, AttributeError):
            return False


def _free(queues: list[list[Any]]) -> None:
    for queue in queues:
        for request in list(queue):
            request.setComplete()


class _Client(gear.Client):  # type: ignore[misc]  # gear ships no types
    def __init__(self, zuul: Zuul) -> None:
        self.zuul = zuul
        super().__init__("zuul")

    def handlePacket(self, packet: Any) -> None:  # noqa: N802 -- gear's name
        at = time.monotonic()
        kind = _KINDS.get(packet.ptype)
        if kind is not None:
            handle, _, payload = bytes(packet.data).partition(b"\0")
            job = packet.connection.related_jobs.get(handle)
            self.zuul.receive(job, handle, Packet(kind, payload, at))
            if job is None:
                return
        super().handlePacket(packet)

    def handleWorkComplete(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        return self._ended(super().handleWorkComplete(packet))

    def handleWorkFail(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        return self._ended(super().handleWorkFail(packet))

    def handleWorkException(self, packet: Any) -> Any:  # noqa: N802 -- gear's name
        return self._ended(super().handleWorkException(packet))

    def _doConnectLoop(self) -> None:  # noqa: N802 -- gear's name
        """gear's own loop sleeps 2 s between two tries."""
        pause = threading.Event()
        while self.running:
            with self.connections_condition:
                while self.running and not self.inactive_connections:
                    self.connections_condition.wait()
            # A connect begins new lists. gear would let those who stand in the old ones wait on for an answer.
            waiting = [
                queue for conn in self.inactive_connections for queue in (conn.pending_tasks, conn.admin_requests)
            ]
            if not self.running or self._connectLoop():
                _free(waiting)
            else:
                pause.wait(0.05)

    def _lostConnection(self, conn: Any) -> None:  # noqa: N802 -- gear's name
        super()._lostConnection(conn)
        _free([conn.pending_tasks, conn.admin_requests])

    def handleDisconnect(self, job: Any) -> Any:  # noqa: N802 -- gear's name
        self.zuul.lose(job)
        return super().handleDisconnect(job)

    def _onConnect(self, conn: Any) -> None:  # noqa: N802 -- gear's name
        conn.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super()._onConnect(conn)

    def _cleanup(self) -> None:
        connections = self.active_connections + self.inactive_connections
        super()._cleanup()
        for connection in connections:
            connection.disconnect()

    def _ended(self, job: Any) -> Any:
        self.zuul.ended(job)
        return job


class Zuul:
    """Launches builds on the server at ``host:port``. ``violations`` has what workers did wrong in all builds.

    A worker that was just started may not be in the server's list yet: Zuul would answer NOT_REGISTERED, we look again
    for ``patience_s`` seconds.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", patience_s: float = 5.0) -> None:
        self.host = host
        self.port = port
        self.patience_s = patience_s
        self.builds: list[ZuulBuild] = []
        self._other_violations: list[str] = []
        self._client: Any = None
        self._by_job: dict[int, ZuulBuild] = {}
        self._stops: dict[int, threading.Event] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._client = _Client(self)
        self._client.addServer(self.host, self.port)
        self.wait_connected()
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.shutdown()

    @property
    def violations(self) -> list[str]:
        found = [f"{build.job} {build.unique}: {text}" for build in self.builds for text in build.violations]
        return found + self._other_violations

    def wait_connected(self, timeout: float = 30) -> None:
        """Wait until the server is connected (again)."""
        self._client.waitForServer(timeout)

    def launch(
        self,
        job: str,
        *,
        node: str | None = None,
        unique: str | None = None,
        raw: bytes | None = None,
        **parameters: Any,
    ) -> ZuulBuild:
        """Launch a build of a change. ``parameters`` add to or replace what Zuul would send; None takes a key away.

        ``raw`` is sent instead of any JSON.
        """
        unique = uuid.uuid4().hex if unique is None else unique
        values = {**change_parameters(job, unique), **parameters}
        arguments = json.dumps({key: value for key, value in values.items() if value is not None}).encode()
        function = f"build:{job}:{node}" if node else f"build:{job}"
        build = ZuulBuild(self, job, unique, function, arguments if raw is None else raw)
        with self._lock:
            self.builds.append(build)
            self._by_job[id(build.gearman_job)] = build
        try:
            if self.wait_registered(function, self.patience_s):
                self._client.submitJob(build.gearman_job, timeout=30)
            else:
                build.not_launched("NOT_REGISTERED")
        except _NOT_SENT:
            build.not_launched("EXCEPTION")
        return build

    def registered(self) -> set[str]:
        """The functions of the status list, workers or not."""
        request = gear.StatusAdminRequest()
        self._client.getConnection().sendAdminRequest(request, timeout=30)
        if request.response is None:
            raise gear.NoConnectedServersError("the connection was lost")
        return {line.split("\t")[0] for line in request.response.decode().splitlines()}

    def wait_registered(self, function: str, timeout: float) -> bool:
        """Wait until the function is in the status list. Returns whether it is."""
        deadline, pause = time.monotonic() + timeout, threading.Event()
        while function not in self.registered():
            if time.monotonic() > deadline:
                return False
            pause.wait(0.005)
        return True

    def stop(self, manager: str, job: str, number: Any, timeout: float = 30) -> gear.Job:
        """Send ``stop:MANAGER``; returns the job once it is answered."""
        return self.ask(f"stop:{manager}", json.dumps({"name": job, "number": number}).encode(), timeout)

    def describe(self, manager: str, job: str, number: Any, timeout: float = 30) -> gear.Job:
        """Send ``set_description:MANAGER``; returns the job once it is answered."""
        arguments = {"name": job, "number": number, "html_description": "<p>text</p>"}
        return self.ask(f"set_description:{manager}", json.dumps(arguments).encode(), timeout)

    def ask(self, function: str, arguments: bytes, timeout: float = 30) -> gear.Job:
        """Send any job at high precedence; returns it once it is answered, raises TimeoutError else."""
        job = gear.Job(function, arguments, unique=uuid.uuid4().hex)
        done = threading.Event()
        with self._lock:
            self._stops[id(job)] = done
        self._client.submitJob(job, precedence=gear.PRECEDENCE_HIGH, timeout=timeout)
        if not done.wait(timeout):
            raise TimeoutError(f"{function} was not answered")
        return job

    def cancel_queued(self, build: ZuulBuild) -> None:
        """``cancel job HANDLE``, for a build that has not started."""
        request = gear.CancelJobAdminRequest(build.gearman_job.handle)
        build.gearman_job.connection.sendAdminRequest(request, timeout=30)

    def receive(self, job: Any, handle: bytes, packet: Packet) -> None:
        build = self._by_job.get(id(job))
        if build is not None:
            build.receive(packet)
        elif job is None:
            self._other_violations.append(f"{packet.kind} for handle {handle!r}, which is not or no longer known")
        elif packet.kind != "COMPLETE":
            self._other_violations.append(f"{packet.kind} on a job that is no build")

    def ended(self, job: Any) -> None:
        done = self._stops.get(id(job))
        if done is not None:
            done.set()

    def lose(self, job: Any) -> None:
        build = self._by_job.get(id(job))
        if build is not None:
            build.lose()


def change_parameters(job: str, unique: str) -> dict[str, Any]:
    """The job arguments of a change in the check pipeline, as Zuul 2.6 makes them."""
    return {
        "BASE_LOG_PATH": "45/12345/2",
        "LOG_PATH": f"45/12345/2/check/{job}/{unique[:7]}",
        "ZUUL_BRANCH": "master",
        "ZUUL_CHANGE": "12345",
        "ZUUL_CHANGES": "demo/app:master:refs/changes/45/12345/2",
        "ZUUL_CHANGE_IDS": "12345,2",
        "ZUUL_COMMIT": "c0ffee" + "0" * 33 + "1",
        "ZUUL_PATCHSET": "2",
        "ZUUL_PIPELINE": "check",
        "ZUUL_PROJECT": "demo/app",
        "ZUUL_REF": "refs/zuul/master/Z" + "ab" * 16,
        "ZUUL_URL": "http://zuul.example.org/p",
        "ZUUL_UUID": unique,
        "ZUUL_VOTING": "1",
    }
