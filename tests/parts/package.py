"""Small Python packages, built without an index: wheels, and projects that build themselves."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

BACKEND = """
import base64, pathlib, zipfile

HERE = pathlib.Path(__file__).parent

def _build(directory, editable):
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    info = f"{NAME}-{VERSION}.dist-info"
    files = {f"{info}/METADATA": METADATA, f"{info}/WHEEL": WHEEL}
    if SCRIPTS:
        files[f"{info}/entry_points.txt"] = SCRIPTS
    if editable:
        files[f"{NAME}_here.pth"] = f"{HERE}\\n"
    else:
        files[f"{NAME}.py"] = (HERE / f"{NAME}.py").read_text()
    files[f"{info}/RECORD"] = "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(directory) / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _build(wheel_directory, False)

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _build(wheel_directory, True)
"""


def wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    text: str = "",
    requires: Iterable[str] = (),
    scripts: Mapping[str, str] | None = None,
    beside: Mapping[str, str] | None = None,
    recorded: bool = True,
) -> Path:
    """Write a wheel of one module; ``scripts`` are console scripts, such as ``{"tool": "module:function"}``, ``beside``
    more files. Its record has digests, as it should, if ``recorded``."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": _metadata(name, version, requires),
        f"{info}/WHEEL": WHEEL,
        **(beside or {}),
    }
    if scripts:
        files[f"{info}/entry_points.txt"] = _entry_points(scripts)
    digests = {file: f"sha256={_digest(content)}" if recorded else "" for file, content in files.items()}
    files[f"{info}/RECORD"] = "".join(f"{file},{digest},\n" for file, digest in digests.items()) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return path


def project_files(
    name: str,
    version: str = "1.0",
    *,
    text: str = "",
    requires: Iterable[str] = (),
    scripts: Mapping[str, str] | None = None,
    dynamic: bool = False,
) -> dict[str, str]:
    """The files of a project of one module that brings its own build backend, so that building needs no index."""
    constants = {
        "NAME": name,
        "VERSION": version,
        "WHEEL": WHEEL,
        "METADATA": _metadata(name, version, requires),
        "SCRIPTS": _entry_points(scripts) if scripts else "",
    }
    needs = 'dynamic = ["dependencies"]' if dynamic else f"dependencies = {json.dumps(list(requires))}"
    backend = "".join(f"{key} = {value!r}\n" for key, value in constants.items()) + BACKEND
    return {
        "pyproject.toml": (
            '[build-system]\nrequires = []\nbuild-backend = "own_backend"\nbackend-path = ["."]\n\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\n{needs}\n'
        ),
        "own_backend.py": backend,
        f"{name}.py": text,
    }


def _digest(content: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()


def _metadata(name: str, version: str, requires: Iterable[str]) -> str:
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"


def _entry_points(scripts: Mapping[str, str]) -> str:
    return "[console_scripts]\n" + "".join(f"{name} = {target}\n" for name, target in scripts.items())
