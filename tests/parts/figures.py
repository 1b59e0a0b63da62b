"""What a storm amounted to, for reading."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence

from parts.audit import answer_of
from parts.check_queue import Submission
from parts.checkpoint import STAGES, Entry
from parts.faults import STRIKES, Fault, Strike
from parts.station import Station


def counted(submissions: Sequence[Submission], entries: Iterable[Entry], stations: Iterable[Station]) -> str:
    """How many builds there were, and what became of them."""
    builds = [build for submission in submissions for build in submission.launches]
    answers = [answer for build in builds if (answer := answer_of(build)) is not None]
    outcomes = collections.Counter(submission.outcome for submission in submissions)
    rows = {
        "changes": len(submissions),
        **{f"  {outcome}": count for outcome, count in outcomes.most_common()},
        "builds launched": len(builds),
        "  answered with a result": sum(build.result is not None and build.launch_result is None for build in builds),
        "  answered for a retry": sum(build.result is None for build in builds) - sum(build.lost for build in builds),
        "  lost with the server, launched again": sum(build.lost for build in builds),
        "  not launched for want of a server": sum(build.launch_result is not None for build in builds),
        "attempts begun": len({(entry.build, entry.attempt, entry.worker) for entry in entries}),
        "attempts answered": sum(answer.attempt is not None for answer in answers),
        "worker starts": sum(station.starts for station in stations),
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {count:>6}" for name, count in rows.items())


def struck(times: Mapping[Strike, int]) -> str:
    """How often each fault struck at each stage; ``-`` where it cannot."""
    width = max(len(fault.value) for fault in Fault)
    rows = [f"{'':{width}}" + "".join(f"{stage:>13}" for stage in STAGES)]
    for fault in Fault:
        strikes = [Strike(stage, fault) for stage in STAGES]
        counts = [f"{times.get(strike, 0) if strike in STRIKES else '-':>13}" for strike in strikes]
        rows.append(f"{fault.value:{width}}" + "".join(counts))
    return "\n".join(rows)
