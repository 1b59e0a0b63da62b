"""The actions of the worker's log: a name for each kind of line, for programs that read it and people who search it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

ACTIONS: Mapping[str, str] = {
    "worker_started": "The worker takes builds from now on.",
    "worker_paused": "The worker takes no builds for the time being; the message says why. It goes on by itself.",
    "worker_resumed": "The reasons of a pause are gone; builds are taken again.",
    "worker_draining": "The worker was told to stop: it finishes the builds that run and takes no others.",
    "worker_forced": "The worker ends the builds that run, because it was told twice or `drain_timeout` has passed.",
    "worker_stopped": "The worker has ended.",
    "worker_faulty": "Something went wrong inside the worker that should not; please report it.",
    "config_reloaded": "The configuration was read again: builds that begin from now on follow the new one.",
    "config_rejected": "The new configuration is wrong and the old one stays; the message says what is wrong.",
    "link_up": "A Gearman server is connected, and everything that the worker offers is registered there.",
    "link_lost": "The connection to a Gearman server is lost; the builds that came from there are stopped.",
    "link_trouble": "Something is wrong with a connection to a Gearman server, or with making one; it is tried again.",
    "stop_ignored": "A request to stop a build names none.",
    "link_deaf": "A connected Gearman server does not know what the worker offers: no builds come from there.",
    "build_refused": "A build was answered without having been begun; the message says why.",
    "build_started": "A build has begun.",
    "build_cancelled": "A build is being ended; the message says who wanted it.",
    "build_fenced": "A build was delivered again while it ran; the earlier attempt is ended and publishes nothing.",
    "build_ended": "A build has its verdict and is answered.",
    "build_unanswered": "A build has its verdict, but its link is lost: another attempt is under way.",
    "build_returned": "A build was handed back, so that Zuul launches it again; the message says why.",
    "build_quarantined": "A build was delivered too often; it is answered and not tried again.",
    "child_died": "The process of a build died; the message says how.",
    "stage_ended": "A stage of a build has ended; the message says how.",
    "result_spooled": "A result could not be published and is kept in the spool.",
    "result_published": "A result of the spool is published now.",
    "attempt_found": "A worker that died has left an attempt behind; it is put away.",
    "cleanup_failed": "Something of a build could not be put away; the next start tries again.",
    "nursery_died": "The process that starts builds has died and is started again.",
    "plugin_failed": "A plugin raised where it cannot affect a build: while it heard of an event, or was prepared.",
    "plugin_slow": "A plugin takes long where others wait for it; the message says which, where and how long.",
    "plugin_replaced": "A plugin is installed in another version than the worker has loaded; the message says which.",
    "state_unreadable": "A file of the state directory cannot be read; it is put aside, and the message says which.",
    "cgroup_failed": "Builds run without control groups, because none can be made; the message says why.",
    "history_failed": "The history cannot be written; what it should be told waits in files.",
    "history_back": "The history can be written again.",
    "history_written": "The history has been told an attempt.",
    "history_waits": "The worker has ended before the history was told everything; the next start tells the rest.",
    "history_upgraded": "The history's database was brought up to this version.",
    "history_pruned": "Builds older than the history's retention were removed.",
    "web_opened": "The status can be asked for at this address.",
    "web_failed": "The status could not be shown to somebody who asked for it.",
}
"""What each action means."""


def event(
    action: str,
    *,
    build: str | None = None,
    attempt: int | None = None,
    job: str | None = None,
    stage: str | None = None,
    **more: object,
) -> dict[str, Any]:
    """What a line of the log is about, to be given to the logger as ``extra``.

    ``log.info("took %s", told, extra=event("build_ended", build=number, attempt=2, job=name))``. ``action`` is a key of
    ACTIONS. ``more`` is whatever else a program may want to have by itself: ``server="zuul:4730"``.
    """
    known = {"build": build, "attempt": attempt, "job": job, "stage": stage, **more}
    return {"action": action, "facts": {name: value for name, value in known.items() if value is not None}}


class BuildLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger of one attempt of a build, whose lines name it: only the action is left to be told.

    ``told = BuildLogger(log, build=number, attempt=2, job=name)``, then
    ``told.info("no room", extra=event("build_returned"))``.
    """

    def __init__(
        self, logger: logging.Logger, *, build: str, attempt: int | None = None, job: str | None = None
    ) -> None:
        super().__init__(logger, event("", build=build, attempt=attempt, job=job)["facts"])

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        """Called by logging."""
        extra = kwargs.get("extra") or {}
        return msg, {**kwargs, "extra": {**extra, "facts": {**(self.extra or {}), **extra.get("facts", {})}}}
