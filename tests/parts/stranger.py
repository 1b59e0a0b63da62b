"""A machine of somebody else: an environment of their own that has thcore, and nothing of this repository beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from attrs import frozen
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
LIMIT_S = 280.0


@frozen
class Stranger:
    """Somebody with a virtual environment."""

    venv: Path

    @classmethod
    def with_the_workspace(cls, venv: Path) -> Stranger:
        """One whose new environment sees what is installed here, the members of the workspace among it."""
        stranger = cls.with_nothing(venv)
        # addsitedir, not the bare path: the workspace's members are in .pth files.
        line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (stranger._packages() / "workspace.pth").write_text(line, "utf-8")
        return stranger

    @classmethod
    def with_nothing(cls, venv: Path) -> Stranger:
        """One whose environment is new and empty."""
        subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
        return cls(venv)

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.venv / "bin" / "python"

    def install(self, *what: str | Path) -> None:
        """Install packages, as ``uv pip install`` is told."""
        call = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(self.python), *map(str, what)]
        ended = subprocess.run(call, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr

    def run(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run Python with nothing else of our environment than where programs and packages are found."""
        kept = ("PATH", "PIP_", "UV_")
        env = {name: value for name, value in os.environ.items() if name.startswith(kept)}
        env |= {"HOME": str(cwd), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        call = [str(self.python), *map(str, arguments)]
        return subprocess.run(call, cwd=cwd, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    def module(self, name: str, *arguments: str | Path, cwd: Path) -> str:
        """Run a module that has to succeed; answers what it prints."""
        ended = self.run("-m", name, *arguments, cwd=cwd)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def _packages(self) -> Path:
        return Path(
            self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=self.venv).stdout.strip()
        )
