"""Seeds of the newsroom, a site of Wagtail: its own programs make them, with the release that its branch has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from uv import find_uv_bin

from thcore.testing.postgresql import PASSWORD, USER, PostgreSQL

from parts.real_projects import WAGTAIL

SQLITE = "newsroom.sqlite"
POSTGRESQL = "newsroom.sql"
PROOFREAD = "null_permission.sql"
"""An overlay: a permission that the site once had and that Wagtail 6 has no place for."""
_PROOFREAD = """\
INSERT INTO wagtailcore_grouppagepermission (group_id, page_id, permission_type)
  SELECT max(group_id), max(page_id), 'proofread' FROM wagtailcore_grouppagepermission;
"""


def make_seeds(directory: Path) -> None:
    """Write the seeds and the overlay to ``directory``, which must not exist. Installs Wagtail; takes a minute."""
    directory.mkdir(parents=True)
    (directory / PROOFREAD).write_text(_PROOFREAD)
    site = directory / "site"
    for name, text in WAGTAIL.trunk.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    cut = f"--exclude-newer={WAGTAIL.venv['exclude_newer']}"
    _run(find_uv_bin(), "venv", "--quiet", "venv", cwd=site)
    _run(find_uv_bin(), "pip", "install", "--quiet", "--python=venv", cut, "--requirements=requirements.txt", cwd=site)
    _fill(site, f"sqlite:///{directory / SQLITE}")
    with PostgreSQL() as server:
        url = server.url("postgres")
        _fill(site, url)
        dump = [server.programs / "pg_dump", "--no-owner", "--no-privileges", f"--file={directory / POSTGRESQL}"]
        target = ["--host=127.0.0.1", f"--port={server.port}", f"--username={USER}", "postgres"]
        _run(*map(str, dump), *target, cwd=directory, PGPASSWORD=PASSWORD)


def _fill(site: Path, url: str) -> None:
    python = str(site / "venv" / "bin" / "python")
    told = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "settings"}
    _run(python, "manage.py", "migrate", "--noinput", "-v0", cwd=site, **told)
    _run(python, "populate.py", cwd=site, **told)


def _run(*argv: str, cwd: Path, **variables: str) -> None:
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
