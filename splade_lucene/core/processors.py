"""How many processors this process may use: its affinity and the CPU quota of its container, not what the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_PROC, _CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_processors() -> int:
    """The number of threads that can compute at the same time.

    This is the number of processors in the affinity mask of the process (``taskset``, ``docker --cpuset-cpus``), or
    ``PYTHON_CPU_COUNT`` from Python 3.13 on, and at most the CPU quota of its control groups (``docker --cpus``, limits of
    Kubernetes) rounded up, as Java counts.

    Returns:
        At least 1.
    """
    if hasattr(os, "process_cpu_count"):
        available = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count()
    quota = cpu_quota()
    return max(1, available or 1) if quota is None else max(1, min(available or 1, math.ceil(quota)))


def cpu_quota() -> float | None:
    """The processors' worth of time that the control groups of this process allow, None without a limit.

    Version 2 has a file ``cpu.max`` (quota and period in microseconds), version 1 ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us``; a
    limit of an outer group holds for the inner ones, so the smallest on the way to the root counts.
    """
    quotas = [quota for folder in _folders() if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _folders() -> list[Path]:
    """The control groups of this process, and those around them, as far as they can be seen from here."""
    try:
        lines = _PROC.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # not Linux, or no /proc
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = _CGROUPS / controllers if controllers else _CGROUPS
        if not root.is_dir():
            root = _CGROUPS / "cpu"
        # In a container the path can be that of the host, and the group of the container is mounted as the root.
        inner = Path(path.lstrip("/"))
        found += [root / each for each in (inner, *inner.parents)]
    return list(dict.fromkeys(found))


def _quota(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period"))
        return float(quota) / float(period) if quota.strip() != "max" and float(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such controller here, or not readable
        return None
