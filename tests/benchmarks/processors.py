"""How long the server's processes have kept a processor busy: what others do on the machine changes that little."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def seconds(processes: Iterable[int]) -> float:
    """Return the processors' time that some processes have taken so far, in seconds; its steps are those of the system's clock."""
    ticks = 0
    for process in processes:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
        user, system = text.rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks / TICK


def nanoseconds(process: int) -> int:
    """Return the processors' time that one process has taken so far, as exactly as the scheduler knows it."""
    text = Path(f"/proc/{process}/schedstat").read_text(encoding="ascii")
    return int(text.split()[0])
