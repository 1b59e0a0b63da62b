"""A real OpenStack Swift on this machine, for tests of what stores things there.

It needs the package ``swift`` beside thcore, and the program ``memcached``; nothing of them is imported here. All of it
listens on the loopback interface, and keeps its data in a directory of its own, on a file system that knows extended
attributes. As a fixture::

    @pytest.fixture(scope="session")
    def swift(tmp_path_factory):
        with Swift(tmp_path_factory.mktemp("swift")) as server:
            yield server
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from attrs import field, frozen

from thcore.testing.ports import free_ports

__all__ = ["Swift", "User"]

_START_TIMEOUT_S = 60.0
_PIPELINE = (
    "catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl formpost tempauth staticweb copy"
    " container-quotas account-quotas slo dlo {more} proxy-server"
)
_PROXY = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {directory}
log_level = INFO

[pipeline:main]
pipeline = {pipeline}

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_guest = visiting
reseller_prefix = AUTH

[filter:formpost]
use = egg:swift#formpost
allowed_digests = {digests}

[filter:container-quotas]
use = egg:swift#container_quotas

[filter:account-quotas]
use = egg:swift#account_quotas
"""
_PLAIN_FILTERS = "catch_errors gatekeeper healthcheck listing_formats bulk tempurl staticweb copy slo dlo"
_STORAGE = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {directory}
devices = {directory}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
recon_cache_path = {directory}
log_level = INFO

[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}

[{kind}-updater]
[{kind}-replicator]
"""
_SWIFT = """\
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests

[storage-policy:0]
name = one
default = yes
"""
# Run by itself, since Swift's modules change the interpreter that they are imported into.
_RINGS = """\
import sys
from swift.common.ring import RingBuilder
directory = sys.argv[1]
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1",
                     "weight": 1.0, "meta": ""})
    builder.rebalance()
    builder.get_ring().save(f"{directory}/{name}.ring.gz")
"""
_PYTHON = (sys.executable, "-P", "-W", "ignore", "-c")  # what lies in the current directory is no module
_NO_MEMCACHED = "memcached is not on PATH; install it, for example apt-get install memcached"
# Started in a thread of the system's, before Swift makes its own of all others: it ends with who holds the other end.
_SERVER = """\
import _thread, os
_thread.start_new_thread(lambda: (os.read({lifeline}, 1), os._exit(1)), ())
from swift.{module}.server import main
main()
"""
_MEMCACHED = """\
import os, subprocess, sys
memcached = subprocess.Popen(sys.argv[1:])
os.read({lifeline}, 1)
memcached.kill()
"""
_SERVERS = ("object", "container", "account", "proxy")


@frozen
class User:
    """Somebody who may sign in (version 1)."""

    name: str
    password: str = field(repr=False)


class Swift:
    """Proxy, account, container and object server, one device, one replica, and memcached.

    Entering starts all of it and waits until it answers; leaving ends it. In between, ``kill`` and ``start`` are a
    crash and a restart: data and address stay. Should this process be killed, all of it ends by itself.
    ``filters`` are more sections of the proxy's configuration by the filter's name; each stands in front of the proxy
    itself. Modules that they name are looked for in ``path``.
    """

    user = User("test:tester", "testing")
    """The administrator of the account AUTH_test."""
    guest = User("test:guest", "visiting")
    """Somebody who may sign in and do nothing."""

    def __init__(
        self,
        directory: Path,
        *,
        filters: Mapping[str, str] | None = None,
        path: Sequence[Path] = (),
    ) -> None:
        self.directory = directory
        self._filters = dict(filters or {})
        self._ports = dict(zip((*_SERVERS, "memcached"), free_ports(len(_SERVERS) + 1), strict=True))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._path = path
        self._lifeline = os.pipe()
        (directory / "devices" / "d1").mkdir(parents=True, exist_ok=True)
        (directory / "swift.conf").write_text(_SWIFT)
        for kind in ("account", "container", "object"):
            text = _STORAGE.format(kind=kind, port=self._ports[kind], directory=directory)
            (directory / f"{kind}.conf").write_text(text)
        self.configure()

    @staticmethod
    def missing() -> str | None:
        """What has to be installed; None when it can be started."""
        if importlib.util.find_spec("swift") is None:
            return "the package swift is missing; install it: pip install swift"
        if shutil.which("memcached") is None:
            return _NO_MEMCACHED
        return None

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self._ports['proxy']}"

    @property
    def auth_url(self) -> str:
        """Where its users sign in."""
        return f"{self.url}/auth/v1.0"

    @property
    def storage_url(self) -> str:
        """The account's storage."""
        return f"{self.url}/v1/AUTH_test"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        for end in self._lifeline:
            os.close(end)

    def start(self) -> None:
        """Start what does not run, and wait until all of it answers.

        Raises RuntimeError, with the end of a log, when it does not.
        """
        if "memcached" not in self._processes:
            program = shutil.which("memcached")
            if program is None:
                raise RuntimeError(_NO_MEMCACHED)
            account = ("-u", "root") if os.geteuid() == 0 else ()
            guard = _MEMCACHED.format(lifeline=self._lifeline[0])
            port = str(self._ports["memcached"])
            self._run("memcached", *_PYTHON, guard, program, "-l", "127.0.0.1", "-p", port, *account)
        if not (self.directory / "object.ring.gz").exists():
            ports = [str(self._ports[name]) for name in ("account", "container", "object")]
            subprocess.run([*_PYTHON, _RINGS, str(self.directory), *ports], check=True)
        for name in _SERVERS:
            if name not in self._processes:
                program = _SERVER.format(lifeline=self._lifeline[0], module=_MODULES[name])
                configuration = str(self.directory / f"{name}.conf")
                self._run(name, *_PYTHON, program, configuration, "--verbose")
        pause = threading.Event()
        for _ in range(int(_START_TIMEOUT_S / 0.05)):
            if self._answers():
                return
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"Swift's {name} ended with status {process.returncode}: {self.log(name)}")
            pause.wait(0.05)
        raise RuntimeError(f"Swift does not answer at {self.url}: {self.log('proxy')}")

    def kill(self, *names: str) -> None:
        """Kill these of proxy, account, container, object and memcached, or all, as a crash would."""
        for name in names or tuple(self._processes):
            process = self._processes.pop(name, None)
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def log(self, name: str) -> str:
        """The last lines that one of the servers has written."""
        with contextlib.suppress(OSError):
            return "\n".join((self.directory / f"{name}.log").read_text("utf-8", "replace").splitlines()[-20:])
        return ""

    def configure(self, *, digests: Sequence[str] = ("sha1", "sha256", "sha512")) -> None:
        """Write the proxy's configuration, for its next start. ``digests`` are those that FormPost takes."""
        text = _PROXY.format(
            port=self._ports["proxy"],
            memcached=self._ports["memcached"],
            directory=self.directory,
            digests=" ".join(digests),
            pipeline=_PIPELINE.format(more=" ".join(self._filters)),
        )
        plain = {name: f"use = egg:swift#{name}" for name in _PLAIN_FILTERS.split()}
        sections = "".join(f"\n[filter:{name}]\n{content}\n" for name, content in {**plain, **self._filters}.items())
        (self.directory / "proxy.conf").write_text(text + sections)

    def _run(self, name: str, *command: str) -> None:
        path = os.pathsep.join([*map(str, self._path), *filter(None, [os.environ.get("PYTHONPATH")])])
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path},
                pass_fds=self._lifeline[:1],
                start_new_session=True,
            )

    def _answers(self) -> bool:
        """Whether the proxy is well, and those behind it answer."""
        for name in _SERVERS:
            where = f"http://127.0.0.1:{self._ports[name]}/healthcheck" if name == "proxy" else None
            try:
                if where is None:
                    socket.create_connection(("127.0.0.1", self._ports[name]), timeout=5).close()
                else:
                    urllib.request.urlopen(where, timeout=5).close()  # noqa: S310 - our own server
            except (OSError, urllib.error.URLError):
                return False
        return True


_MODULES = {"proxy": "proxy", "account": "account", "container": "container", "object": "obj"}
