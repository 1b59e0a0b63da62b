"""Several parts of one work at the same time: all are done, or the first that fails ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from thplugins_publish_swift.patience import GivenUpError, Patience

T = TypeVar("T")


def all_done(parts: Iterable[Callable[[], T]], threads: int, patience: Patience) -> list[T]:
    """Do all parts, ``threads`` at a time; answers what they answered, in their order. Raises what the first one that
    failed raised, once the others have stopped."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="publish-swift")
    futures = [pool.submit(part) for part in parts]
    try:
        ended, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        if waiting:
            patience.give_up()
        # Those that were told to give up know nothing of the reason.
        errors = [error for future in ended if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, GivenUpError)):
            raise error
        return [future.result() for future in futures]
    except BaseException:
        patience.give_up()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
