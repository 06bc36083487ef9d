"""Ray and the JVM in one process: the JVM keeps the signals that it lives on."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A null pointer in compiled code is a SIGSEGV that the JVM turns into a NullPointerException.
SCRIPT = """if True:
    import ctypes, signal
    from splade_lucene.distributed.cluster import Cluster, connected
    from splade_lucene.lucene import jvm

    def handler():
        action = ctypes.create_string_buffer(1024)
        ctypes.CDLL(None).sigaction(int(signal.SIGSEGV), None, action)
        return action.raw[:8]

    jvm.start()
    before = handler()
    with connected(Cluster("local", workers=1)):
        assert handler() == before
    assert handler() == before and any(before)
    print("kept")
"""


def test_the_jvm_s_handlers_survive_ray() -> None:
    pytest.importorskip("ray")
    child = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False)
    assert (child.returncode, child.stdout.strip()) == (0, "kept"), child.stderr
