"""Waiting at the start for what is not there yet: whoever starts first waits for the others."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from chassis.errors import Away

T = TypeVar("T")

#: Seconds between two tries: the first pause, which doubles, and the longest.
_FIRST, _LONGEST = 0.5, 5.0

#: Seconds between two looks whether one is told to stop.
_LOOK = 0.1


def until_there(attempt: Callable[[], T], stopping: Callable[[], bool] = lambda: False) -> T:
    """What an attempt gives, once that is there which it needs. Says what is missing, once.

    Blocks, in a process with the services' loop its green thread alone.

    Raises:
        Away: when one is told to stop before.
    """
    said, pause = "", _FIRST
    while True:
        try:
            return attempt()
        except Away as away:
            if str(away) != said:
                said = str(away)
                print(f"{said} Conduit waits for it.", file=sys.stderr, flush=True)
            rested = time.monotonic() + pause
            while time.monotonic() < rested:
                if stopping():
                    raise
                time.sleep(_LOOK)
            pause = min(pause * 2, _LONGEST)
