"""Finding, reading and merging the configuration file, with all its problems at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from thcore.config import document, legacy
from thcore.config.certificates import client_context
from thcore.config.convert import check
from thcore.config.merge import apply_defaults, lay_over
from thcore.config.place import Places
from thcore.config.problem import WrongError, at, key_text, kind_text
from thcore.config.schema import Config, DirectoriesConfig, GearmanConfig, JobConfig, TlsConfig
from thcore.errors import ConfigError

VARIABLE = "THCORE_CONFIG"
"""The environment variable that names the configuration file."""

TURBO_HIPSTERS = (Path("/etc/turbo-hipster/config.yaml"), Path("/etc/turbo-hipster/config.json"))
"""Where turbo-hipster had its configuration file."""

CANDIDATES = (
    Path("thcore.yaml"),
    Path("/etc/thcore/config.yaml"),
    Path("/etc/thcore/config.json"),
    *TURBO_HIPSTERS,
)
"""Where the configuration file is looked for when nobody names it, in this order."""

_SUFFIXES = (".yaml", ".yml", ".json")


def find(explicit: Path | None = None) -> Path:
    """The configuration file: ``explicit``, else what ``$THCORE_CONFIG`` names, else the first of CANDIDATES.

    Raises ConfigError when there is none. A file that is named is not looked at here.
    """
    if explicit is not None:
        return explicit
    if named := os.environ.get(VARIABLE):
        return Path(named)
    for candidate in CANDIDATES:
        try:
            if candidate.exists():
                return candidate
        except OSError:  # not allowed to look: it is there, and reading it will say why it is of no use
            return candidate
    looked = ", ".join(str(candidate) for candidate in CANDIDATES)
    raise ConfigError(f"no configuration file found: looked for {looked}; write one, or name it with {VARIABLE}")


def load(path: Path) -> Config:
    """Read a configuration file with its conf.d. Raises ConfigError with every problem found."""
    main = document.read(path)
    content = _top(main.content, str(path))
    places = Places(str(path))
    problems = list(places.texts(main.problems))
    notes: list[str] = []
    files = (path, *_pieces(path, content, problems, notes))
    unread = False
    for file in files[1:]:
        try:
            piece = document.read(file)
            extra = {} if piece.content is None else _top(piece.content, str(file))
        except ConfigError as error:
            problems.extend(error.problems)
            unread = True
            continue
        problems.extend(Places(str(file)).texts(piece.problems))
        problems.extend(lay_over(content, extra, places, str(file)))
    if unread:
        # What the unread file says is missing now; looking further would blame other files for it.
        raise ConfigError(*problems)
    if legacy.is_legacy(content):
        translation = legacy.translate(content, places)
        content, places = translation.content, translation.places
        problems.extend(translation.problems)
        notes.extend(translation.notes)
        if problems:
            raise ConfigError(*problems)
    return _structured(content, places, problems, notes, files)


def _top(content: Any, where: str) -> dict[str, Any]:
    if content is None:
        raise ConfigError(f"{where}: the file is empty; it needs at least jobs")
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected a mapping at the top, got {kind_text(content)}; start with a key")
    return content


def _pieces(path: Path, content: Mapping[str, Any], problems: list[str], notes: list[str]) -> tuple[Path, ...]:
    """The files of conf.d, in the order of their names."""
    named = content.get("conf_d")
    if named is not None and not (isinstance(named, str) and named and "\0" not in named):
        return ()  # the converter says what is wrong with it
    directory = path.parent / (named or "conf.d")
    try:
        if named is None and not directory.is_dir():
            return ()
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError as error:
        text = f"{at(str(path), ('conf_d',))}: {directory} cannot be read: {error.strerror}"
        if legacy.is_legacy(content):
            notes.append(f"{text}; ignored, as turbo-hipster did")
        else:
            problems.append(f"{text}; create the directory or remove the key")
        return ()
    return tuple(directory / name for name in names if name.endswith(_SUFFIXES) and not name.startswith("."))


def _structured(
    content: dict[str, Any], places: Places, problems: list[str], notes: list[str], files: tuple[Path, ...]
) -> Config:
    problems.extend(places.texts(apply_defaults(content, places)))
    problems.extend(_twice(content, places))
    try:
        config = check(content, Config)
    except WrongError as wrong:
        raise ConfigError(*dict.fromkeys([*problems, *places.texts(wrong.problems)])) from None
    gearman = _certified(config.gearman, files[0], places, problems)
    if problems:
        raise ConfigError(*problems)
    return attrs.evolve(
        config,
        gearman=gearman,
        directories=_below(config.directories, files[0]),
        jobs=tuple(_placed(job, index, places) for index, job in enumerate(config.jobs)),
        notes=(*notes, *_exposed(config, places)),
        files=files,
        setting_places={name: places["plugins", name] for name in config.plugins},
    )


def _exposed(config: Config, places: Places) -> Iterator[str]:
    if config.web.exposed:
        yield f"{places['web', 'listen']}: other machines can reach it, and there is no password"


def _below(directories: DirectoriesConfig, file: Path) -> DirectoriesConfig:
    """Relative directories count from the file that names them, wherever the worker is started."""
    home = file.parent.absolute()
    work = directories.work
    return attrs.evolve(directories, state=home / directories.state, work=None if work is None else home / work)


def _certified(gearman: GearmanConfig, file: Path, places: Places, problems: list[str]) -> GearmanConfig:
    """Certificates, also relative to the file, must be of use: nobody shall find out when a connection is refused."""
    if gearman.tls is None:
        return gearman
    home, tls = file.parent.absolute(), gearman.tls
    tls = TlsConfig(home / tls.ssl_key, home / tls.ssl_cert, home / tls.ssl_ca)
    try:
        client_context(tls.ssl_key, tls.ssl_cert, tls.ssl_ca)
    except WrongError as wrong:
        problems.extend(places.texts(problem.below("gearman", "tls") for problem in wrong.problems))
    return attrs.evolve(gearman, tls=tls)


def _twice(content: Mapping[str, Any], places: Places) -> Iterator[str]:
    """Jobs of one name."""
    first: dict[str, str] = {}
    jobs = content.get("jobs")
    for index, job in enumerate(jobs if isinstance(jobs, list) else ()):
        name = job.get("name") if isinstance(job, Mapping) else None
        if isinstance(name, str):
            here = places["jobs", index]
            if name in first:
                yield f"{at(here, ('name',))}: {key_text(name)} is the name of {first[name]} too; rename or remove one"
            first.setdefault(name, here)


def _placed(job: JobConfig, index: int, places: Places) -> JobConfig:
    path = ("jobs", index, "plugins")
    return attrs.evolve(
        job,
        where=places["jobs", index],
        option_places={
            name: {"": places[(*path, name)], **{key: places[(*path, name, key)] for key in options}}
            for name, options in job.plugins.items()
        },
    )
