"""The engine's threads: how many there are, and where they run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from mirror.inference.session import OnnxModel, available_cpus, pinning
from tests.support.limits import LIMIT

linux = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs cannot be assigned on this system")

CONFINED = """
import os
from mirror.inference.session import available_cpus, pinning
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
print(available_cpus(), pinning(1), pinning(os.cpu_count()))
"""


def network() -> bytes:
    node = helper.make_node("Relu", ["pixels"], ["logits"])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 8, 8]) for name in ("pixels", "logits")]
    graph = helper.make_graph([node], "one", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


def threads_cpus() -> dict[str, str]:
    """Thread → the CPUs it may run on, of this process."""
    found = {}
    for status in Path("/proc/self/task").glob("*/status"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            found[status.parent.name] = fields["Cpus_allowed_list"].strip()
    return found


@linux
@pytest.mark.skipif(available_cpus() < 2 or available_cpus() != os.cpu_count(), reason="needs two CPUs, all of them")
def test_each_worker_keeps_to_a_cpu_of_its_own_and_the_caller_is_free():
    before = threads_cpus()
    engine = OnnxModel(network())
    expected, pinned, end = sorted(os.sched_getaffinity(0))[1:], [], time.monotonic() + 20
    while sorted(pinned) != expected and time.monotonic() < end:  # a thread moves itself, once it runs
        new = [cpus for thread, cpus in threads_cpus().items() if thread not in before]
        pinned = [int(cpus) for cpus in new if cpus.isdecimal()]
    assert sorted(pinned) == expected
    assert threads_cpus()[str(os.getpid())] == before[str(os.getpid())]
    assert engine.outputs == ("logits",)


@linux
def test_a_process_that_shares_the_machine_leaves_it_to_the_scheduler():
    root = Path(__file__).resolve().parents[2]
    told = subprocess.run(
        [sys.executable, "-c", CONFINED], capture_output=True, text=True, cwd=root, check=True, timeout=LIMIT
    )
    assert told.stdout.split(maxsplit=1) == ["1", "{} {}\n"]


def test_fewer_threads_than_cpus_are_not_pinned():
    assert pinning(1) == {} and pinning((os.cpu_count() or 1) + 1) == {}
