"""Runs commands as somebody whom permissions stop, even where the tests run as root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Root without the capabilities CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2): 24 is PR_CAPBSET_DROP, in force from the next exec.
_BECOME = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):
        if ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):
            sys.exit(99)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
CANNOT = 99
"""The exit status where root cannot become ordinary."""


def run_as_ordinary_user(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs this Python with some arguments, in the root of the repository."""
    return subprocess.run(
        [sys.executable, "-c", _BECOME, *arguments], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False
    )
