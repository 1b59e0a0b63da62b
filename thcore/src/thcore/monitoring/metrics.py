"""Metrics for Prometheus: some are counted from events, the others read from the status when somebody asks.

Every metric stands in ``EVENTS`` or ``GAUGES``, from which both the metrics and their table in the documentation are
made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from attrs import frozen
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from thcore.model import Outcome, StageResult, Verdict
from thcore.monitoring.status import Phase, Status

MINUTE_S = 60.0
HOUR_S = 3600.0
STAGE_BUCKETS_S = (0.1, 0.5, 1, 5, 10, 30, MINUTE_S, 120, 300, 600, 1800, HOUR_S, 2 * HOUR_S, 4 * HOUR_S)
BUILD_BUCKETS_S = (1, 5, 10, 30, MINUTE_S, 120, 300, 600, 1200, 1800, HOUR_S, 2 * HOUR_S, 4 * HOUR_S, 8 * HOUR_S)

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values of a metric, each with the values of its labels."""


@frozen
class Metric:
    """A metric: its name as it is scraped, its labels, and what it means."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    meaning: str
    labels: tuple[str, ...] = ()


@frozen
class Gauge(Metric):
    """A metric that is read from the status."""

    read: Callable[[Status], Samples] = lambda _status: ()


BUILDS = Metric("thcore_builds_total", "counter", "Builds that have ended.", ("job", "verdict"))
BUILD_TIME = Metric(
    "thcore_build_duration_seconds", "histogram", "How long builds took, publishing included.", ("job",)
)
STAGE_TIME = Metric("thcore_stage_duration_seconds", "histogram", "How long stages took that ran.", ("stage",))
RECONNECTS = Metric(
    "thcore_link_reconnects_total", "counter", "Times that a lost link to a Gearman server came up again.", ("server",)
)
REFUSED = Metric(
    "thcore_refused_builds_total",
    "counter",
    "Builds that were answered without having been begun: unusable arguments, too many deliveries, a fault here.",
    ("reason",),
)
EVENTS = (BUILDS, BUILD_TIME, STAGE_TIME, RECONNECTS, REFUSED)


def _one(read: Callable[[Status], float]) -> Callable[[Status], Samples]:
    return lambda status: (((), float(read(status))),)


GAUGES = (
    Gauge(
        "thcore_worker_info",
        "gauge",
        "Always 1; the labels say which worker this is.",
        ("name", "hostname", "version"),
        lambda status: (((status.worker.name, status.worker.hostname, status.worker.version), 1.0),),
    ),
    Gauge("thcore_ready", "gauge", "1 when builds are taken, 0 when they are not.", (), _one(lambda s: s.ready)),
    Gauge(
        "thcore_phase",
        "gauge",
        "1 for the phase that the worker is in, 0 for the others.",
        ("phase",),
        lambda status: (((phase.value,), float(phase is status.phase)) for phase in Phase),
    ),
    Gauge("thcore_slots", "gauge", "Builds that can run at the same time.", (), _one(lambda s: s.slots)),
    Gauge("thcore_slots_busy", "gauge", "Builds that run.", (), _one(lambda s: len(s.builds))),
    Gauge(
        "thcore_oldest_build_age_seconds",
        "gauge",
        "How long the oldest of the running builds has run; 0 when none runs.",
        (),
        _one(lambda s: max((build.age_s for build in s.builds), default=0.0)),
    ),
    Gauge(
        "thcore_link_up",
        "gauge",
        "1 when the Gearman server is connected.",
        ("server",),
        lambda status: (((server.address,), float(server.connected)) for server in status.servers),
    ),
    Gauge(
        "thcore_link_registered",
        "gauge",
        "1 when the Gearman server is connected and nothing is wrong with it: it knows all that this worker offers.",
        ("server",),
        lambda status: (
            ((server.address,), float(server.connected and not server.problem)) for server in status.servers
        ),
    ),
    Gauge(
        "thcore_spool_results", "gauge", "Results that could not be published yet.", (), _one(lambda s: s.spool.count)
    ),
    Gauge("thcore_spool_bytes", "gauge", "Size of the spool.", (), _one(lambda s: s.spool.size_bytes)),
    Gauge(
        "thcore_spool_oldest_age_seconds",
        "gauge",
        "How long the oldest result has waited to be published; 0 when none waits.",
        (),
        _one(lambda s: s.spool.oldest_s),
    ),
    Gauge(
        "thcore_quarantined_builds",
        "gauge",
        "Builds that are not tried again because they were delivered too often.",
        (),
        _one(lambda s: s.quarantine),
    ),
    Gauge(
        "thcore_history_up", "gauge", "1 when builds can be written to the history.", (), _one(lambda s: not s.history)
    ),
    Gauge(
        "thcore_disk_free_bytes",
        "gauge",
        "Free space for the worker's user on a file system that it writes to.",
        ("path", "purpose"),
        lambda status: (((disk.path, disk.purpose), float(disk.free_bytes)) for disk in status.disks),
    ),
    Gauge(
        "thcore_disk_size_bytes",
        "gauge",
        "Size of a file system that the worker writes to.",
        ("path", "purpose"),
        lambda status: (((disk.path, disk.purpose), float(disk.total_bytes)) for disk in status.disks),
    ),
)
METRICS: tuple[Metric, ...] = (*EVENTS, *GAUGES)
"""Every metric of ours. Besides them there are those of the process (``process_resident_memory_bytes`` and others)."""


class Metrics:
    """The metrics of one worker, in a registry of their own. Thread-safe.

    ``status`` is called at every scrape.
    """

    def __init__(self, status: Callable[[], Status]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._builds = Counter(BUILDS.name, BUILDS.meaning, BUILDS.labels, registry=self._registry)
        self._build_time = Histogram(
            BUILD_TIME.name, BUILD_TIME.meaning, BUILD_TIME.labels, registry=self._registry, buckets=BUILD_BUCKETS_S
        )
        self._stage_time = Histogram(
            STAGE_TIME.name, STAGE_TIME.meaning, STAGE_TIME.labels, registry=self._registry, buckets=STAGE_BUCKETS_S
        )
        self._reconnects = Counter(RECONNECTS.name, RECONNECTS.meaning, RECONNECTS.labels, registry=self._registry)
        self._refused = Counter(REFUSED.name, REFUSED.meaning, REFUSED.labels, registry=self._registry)
        self._registry.register(_FromStatus(status))
        ProcessCollector(registry=self._registry)

    def expect(self, jobs: Iterable[str], servers: Iterable[str]) -> None:
        """Have these jobs and servers start at zero, so that a rate can be taken from the first event on. Called again
        when a new configuration has others."""
        for job in jobs:
            for verdict in Verdict:
                self._builds.labels(job, verdict.value)
        for server in servers:
            self._reconnects.labels(server)

    def build_ended(self, outcome: Outcome) -> None:
        """A build has its outcome: it is counted, and so are the times that it and its stages took."""
        self._builds.labels(outcome.job, outcome.verdict.value).inc()
        self._build_time.labels(outcome.job).observe(max(0.0, outcome.duration_s))
        for stage in outcome.stages:
            if stage.result is not StageResult.SKIPPED:
                self._stage_time.labels(stage.name.value).observe(max(0.0, stage.duration_s))

    def refused(self, reason: str) -> None:
        """A build was answered without having been begun. ``reason`` is one word of ours (``arguments``,
        ``quarantine``, ``job``, ``infrastructure``), never text of others: each makes a time series."""
        self._refused.labels(reason).inc()

    def reconnected(self, server: str) -> None:
        """The link to a server is up again after it was lost."""
        self._reconnects.labels(server).inc()

    def scrape(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and content of an answer to Prometheus, in the format that ``accept`` asks for."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)


class _FromStatus(Collector):
    """Reads the gauges from one status per scrape."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        status = self._status()
        for gauge in GAUGES:
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
            for labels, value in gauge.read(status):
                # A path may hold bytes that are no UTF-8, which the format cannot take.
                family.add_metric([label.encode("utf-8", "backslashreplace").decode() for label in labels], value)
            yield family
