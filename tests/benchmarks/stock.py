"""A database server as it comes, and a dump loaded into it by its client: how turbo-hipster had its datasets."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from thplugins_dbmigration.engines.engine import Installation


def timed(argv: list[str], script: Path) -> float:
    """Seconds that a client takes for a script."""
    began = time.perf_counter()
    with script.open("rb") as stream:
        subprocess.run(
            argv, stdin=stream, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PGPASSWORD": "password"}
        )
    return time.perf_counter() - began


@contextlib.contextmanager
def stock_server(installation: Installation, data: Path) -> Iterator[tuple[list[str], Path]]:
    """A server with nothing set but where it listens; answers the client to load a dump with, and the socket."""
    programs, sockets = installation.programs, Path("/tmp") / f"th-bench-{os.getpid()}"
    assert programs is not None
    sockets.mkdir()
    account = pwd.getpwnam(installation.account) if installation.account else None
    if account:
        os.chown(sockets, account.pw_uid, account.pw_gid)
    if installation.engine == "mysql":
        socket = sockets / "mysql.sock"
        server = [str(programs / "mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={socket}"]
        server += ["--skip-networking", f"--pid-file={sockets / 'pid'}"]
        client = ["mariadb", "--no-defaults", f"--socket={socket}", "-uapp", "-ppassword", "app"]
    else:
        socket = sockets / ".s.PGSQL.5432"
        server = [str(programs / "postgres"), "-D", str(data), "-k", str(sockets), "-c", "listen_addresses="]
        client = [str(programs / "psql"), "-X", "-q", "-h", str(sockets), "-U", "app", "-d", "app", "-f", "-"]
    process = subprocess.Popen(
        server, user=installation.account, group=account and account.pw_gid, cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        probe = ["-e", "SELECT 1"] if installation.engine == "mysql" else ["-c", "SELECT 1"]
        ask = client if installation.engine == "mysql" else client[:-2]
        while subprocess.run(
            [*ask, *probe], check=False, capture_output=True, env={**os.environ, "PGPASSWORD": "password"}
        ).returncode:
            assert process.poll() is None
            time.sleep(0.05)  # a server of another program: nothing to wait on
        yield client, socket
    finally:
        process.terminate()
        process.wait(120)
        shutil.rmtree(sockets)
