"""Datasets: directories with a config.json in turbo-hipster's format, extended by keys of ours.

turbo-hipster's keys are ``project``, ``type``, ``database``, ``db_user``, ``db_pass``, ``seed_data``, ``logging_conf``,
``maximum_migration_times``, ``Innodb_rows_read`` and ``XInnodb_rows_changed``.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from thcore.errors import InfrastructureError
from thcore.model import Limit, Secret, Step
from thplugins_dbmigration import step_names
from thplugins_dbmigration.dataset_file import WALL, DatasetFile, Numbers, limits_of, parse
from thplugins_dbmigration.walk.release import Fixup, Release

CONFIG = "config.json"
DEPTH = 3
"""How many levels below the root are looked at."""
_DEFAULT = "default"


@frozen
class Dataset:
    """The data of one real database, how to restore it and what its migrations may cost.

    ``name`` is the directory's. ``overlays`` are SQL files that are run after the seed. ``limits`` maps a counter's
    name (``wall_s`` for the seconds of ``maximum_migration_times``) to its numbers: keys are ``default``, a target
    version, or ``FROM->TO``. ``version`` is the dataset's own label, ``start`` the schema versions that the seed must
    be at (empty: whatever they are). ``tool`` and ``tool_options`` count after the job's, ``releases`` and ``fixups``
    before them, where they are not None. ``logging_conf`` is for templates, which name it ``{logging_conf}``.
    """

    name: str
    directory: Path
    project: str
    type: str
    database: str
    user: str
    password: Secret
    seed: Path
    limits: Mapping[str, Numbers] = field(factory=dict)
    logging_conf: Path | None = None
    version: str = ""
    start: tuple[str, ...] = ()
    overlays: tuple[Path, ...] = ()
    character_set: str | None = None
    extensions: tuple[str, ...] = ()
    tool: str | None = None
    tool_options: Mapping[str, Any] = field(factory=dict)
    releases: tuple[Release, ...] | None = None
    fixups: tuple[Fixup, ...] | None = None
    confidential: Mapping[str, tuple[str, ...]] = field(factory=dict)

    def file(self, text: str) -> Path:
        """A file in the dataset's directory. Raises InfrastructureError (``seed-broken``) when it is none."""
        found = _inside(self.directory, text)
        if isinstance(found, str):
            raise InfrastructureError(f"dataset {self.name}: {found}", code="seed-broken")
        return found

    def limits_for(self, step: Step) -> tuple[Limit, ...]:
        """What one step may cost: for each counter the number of ``FROM->TO``, else of ``TO``, else of ``default``."""
        own, general = self.limits_by_rank(step)
        found = {limit.counter: limit for limit in (*general, *own)}
        return tuple(found[counter] for counter in self.limits if counter in found)

    def limits_by_rank(self, step: Step) -> tuple[tuple[Limit, ...], tuple[Limit, ...]]:
        """The limits that a step has of its own, and those of the counters that ``default`` has a number for."""
        own: list[Limit] = []
        general: list[Limit] = []
        for counter, numbers in self.limits.items():
            where = f"{self.name}/{CONFIG}: {'maximum_migration_times' if counter == WALL else counter}"
            key = next((name for name in step_names.names(step) if name in numbers), None)
            if key is not None:
                own.append(Limit(counter, numbers[key], f"{where}.{key}"))
            if _DEFAULT in numbers:
                general.append(Limit(counter, numbers[_DEFAULT], f"{where}.{_DEFAULT}"))
        return tuple(own), tuple(general)


def discover(root: Path, project: str) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
    """The datasets below ``root`` of a project, sorted by name, and everything that is wrong with any dataset there.

    turbo-hipster compared whole names; a config.json that says ``nova`` means ``openstack/nova`` too.
    """
    found, problems = every(root)
    return tuple(dataset for dataset in found if same_project(dataset.project, project)), problems


def every(root: Path) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
    """All datasets below ``root``, sorted by name, and everything that is wrong with any of them."""
    datasets: list[Dataset] = []
    problems: list[str] = []
    names: dict[str, Path] = {}
    if not root.is_dir():
        return (), (f"{root}: there is no such directory; correct `datasets`",)
    for directory in directories(root):
        dataset, found = read(directory)
        problems.extend(found)
        if dataset is None:
            continue
        if dataset.name in names:
            problems.append(
                f"{directory / CONFIG}: {names[dataset.name]} has the same name; rename one of the two directories"
            )
        else:
            datasets.append(dataset)
        names.setdefault(dataset.name, directory)
    return tuple(sorted(datasets, key=lambda dataset: dataset.name)), tuple(problems)


def read(directory: Path) -> tuple[Dataset | None, tuple[str, ...]]:
    """The dataset in a directory, or None and what is wrong with it."""
    path = directory / CONFIG
    try:
        written = parse(path.read_text("utf-8"))
    except OSError as error:
        return None, (f"{path}: cannot be read: {error.strerror}",)
    except UnicodeDecodeError as error:
        return None, (f"{path}: is no UTF-8 text: {error.reason}",)
    if isinstance(written, tuple):
        return None, tuple(f"{path}: {problem}" for problem in written)
    problems = []
    paths = {}
    for key, text in _paths(written):
        found = _inside(directory, text)
        if isinstance(found, str):
            problems.append(f"{key}: {found}")
        else:
            paths[key] = found
    if problems:
        return None, tuple(f"{path}: {problem}" for problem in problems)
    return _dataset(directory, written, paths), ()


def fingerprint(dataset: Dataset, state: Path) -> str:
    """64 hexadecimal digits that change when what gets restored changes: seed, overlays, type, database, account.

    The digests of files are kept below ``state`` and made anew when a file's size or time has changed. Raises
    InfrastructureError (``seed-broken``) when a file cannot be read.
    """
    parts: list[Any] = [
        dataset.type.lower(),
        dataset.database,
        dataset.user,
        hashlib.sha256(dataset.password.reveal().encode()).hexdigest(),
        dataset.character_set,
        list(dataset.extensions),
    ]
    try:
        parts += [_digest(path, state / "digests") for path in (dataset.seed, *dataset.overlays)]
    except OSError as error:
        raise InfrastructureError(
            f"dataset {dataset.name}: {error.filename} cannot be read: {error.strerror}", code="seed-broken"
        ) from error
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(path: Path, cache: Path) -> str:
    found = path.stat()
    stamp = [str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    entry = cache / hashlib.sha256(json.dumps(stamp).encode()).hexdigest()
    if entry.is_file():
        return entry.read_text("utf-8")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    cache.mkdir(parents=True, exist_ok=True)
    draft = entry.with_suffix(f".{secrets.token_hex(8)}")
    draft.write_text(digest, "utf-8")
    draft.replace(entry)
    return digest


def directories(root: Path, depth: int = 0) -> Iterator[Path]:
    """The directories of datasets below ``root``, whatever is wrong with them. Hidden ones are not looked at."""
    if (root / CONFIG).is_file():
        yield root
    elif depth < DEPTH:
        for entry in sorted(root.iterdir()):
            if entry.is_dir() and not entry.name.startswith("."):
                yield from directories(entry, depth + 1)


def same_project(written: str, project: str) -> bool:
    """Whether a dataset whose config.json says ``written`` is for the project that Zuul names so."""
    return written == project or ("/" not in written and written == project.rpartition("/")[2])


def _paths(written: DatasetFile) -> Iterator[tuple[str, str]]:
    yield "seed_data", written.seed_data
    for number, overlay in enumerate(written.overlays):
        yield f"overlays[{number}]", overlay
    if written.logging_conf:
        yield "logging_conf", written.logging_conf
    places = [(f"releases[{number}].", release.fixups) for number, release in enumerate(written.releases or ())]
    for where, fixups in (*places, ("", written.fixups or ())):
        for number, fixup in enumerate(fixups):
            if fixup.sql is not None:
                yield f"{where}fixups[{number}].sql", fixup.sql


def _inside(directory: Path, text: str) -> Path | str:
    """The file that ``text`` names in the dataset's directory, or what is wrong with it."""
    if not text or "\0" in text:
        return "is empty"
    path = (directory / text).resolve()
    if not path.is_relative_to(directory.resolve()):
        return f"{text} is outside of the dataset's directory"
    if not path.is_file():
        return f"there is no file {text}"
    return path


def _dataset(directory: Path, written: DatasetFile, paths: Mapping[str, Path]) -> Dataset:
    return Dataset(
        name=directory.name,
        directory=directory,
        project=written.project,
        type=written.type,
        database=written.database,
        user=written.db_user,
        password=Secret(written.db_pass),
        seed=paths["seed_data"],
        limits=limits_of(written),
        logging_conf=paths.get("logging_conf"),
        version=written.version,
        start=written.start,
        overlays=tuple(path for key, path in paths.items() if key.startswith("overlays[")),
        character_set=written.character_set,
        extensions=written.extensions,
        tool=written.tool,
        tool_options=written.tool_options,
        releases=written.releases,
        fixups=written.fixups,
        confidential=written.confidential,
    )
