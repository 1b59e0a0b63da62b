"""What a job may say of ``publish_local``."""

from __future__ import annotations

from pathlib import Path

from attrs import Attribute, frozen

from thcore.hooks import option
from thcore.model import Bytes, Seconds
from thplugins_publish_local.access import Access, mode
from thplugins_publish_local.keep import Keep


def _is_mode(_instance: object, field: Attribute[str], text: str) -> None:
    needed, who = (0o700, "open it") if "directory" in field.name else (0o600, "write it")
    number = mode(text)
    if number & needed != needed:
        raise ValueError(f"with {text!r} its owner, the worker, could not {who}")
    if number & 0o5000 or (number & 0o2000 and "directory" not in field.name):
        raise ValueError(f"{text!r} has bits that what is published must not have")


@frozen
class PublishLocalOptions:
    """Options of ``publish_local`` in a job. Raises ValueError for an address or a mode that is none."""

    path: Path = option("The directory that evidence is published below.", example="/srv/logs")
    url: str | None = option(
        "Where people reach that directory. Without it, the pages are known by file:// addresses.",
        default=None,
        example="https://logs.example.org/",
    )
    live: bool = option("Whether a build has a page while it runs.", default=True)
    file_mode: str = option("Mode of files, in quotes.", default="0644", example="'0640'", validator=_is_mode)
    directory_mode: str = option(
        "Mode of directories, in quotes. '2750' hands the group of a directory down.",
        default="0755",
        example="'0750'",
        validator=_is_mode,
    )
    owner: str | None = option(
        "Who owns what is published: a name or a number. Only root may give things away.",
        default=None,
        example="thcore",
    )
    group: str | None = option(
        "The group of what is published: a name or a number. The worker must be in it, or be root.",
        default=None,
        example="www-data",
    )
    keep: Seconds | None = option(
        "How long builds are kept. Without it, and without `keep_size`, for ever.", default=None, example="90d"
    )
    keep_size: Bytes | None = option(
        "How much all builds below `path` may take together; the oldest go first.", default=None, example="200GiB"
    )
    keep_at_least: Seconds = option(
        "What is younger than this is never removed, however much there is.", default=Seconds(86400.0)
    )

    @property
    def retention(self) -> Keep:
        """How long builds are kept."""
        return Keep(self.keep, self.keep_size, self.keep_at_least)

    @property
    def access(self) -> Access:
        """Who may read what is published."""
        return Access(mode(self.file_mode), mode(self.directory_mode), self.owner, self.group)

    @url.validator
    def _is_complete(self, _attribute: object, url: str | None) -> None:
        if url is not None and not url.startswith(("https://", "http://", "file://")):
            raise ValueError(f"{url!r} is not a complete address; write for example https://logs.example.org/")
