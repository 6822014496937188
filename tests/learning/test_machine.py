"""What is said of a machine."""

import json
from dataclasses import asdict

from jpasbatch.learning import machine
from jpasbatch.learning.machine import describe_machine, machine_line

CPUINFO = """processor\t: 0
model name\t: Some Processor 9000
flags\t\t: fpu sse4_1 avx2 avx512f made_up

processor\t: 1
model name\t: Some Processor 9000
flags\t\t: fpu sse4_1 avx2 avx512f made_up
"""


def test_what_decides_the_last_bits_is_told(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    for name in machine.SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    found = describe_machine(1)
    assert found.processor == "Some Processor 9000"
    assert found.instruction_sets == ("sse4_1", "avx2", "avx512f")
    assert found.switches == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    assert {"jpasbatch", "python", "numpy", "keras", "tensorflow"} <= found.versions.keys()
    assert json.loads(json.dumps(asdict(found)))["threads"] == 1
    assert machine_line(found) == "Some Processor 9000, avx512f, 1 thread, ONEDNN_MAX_CPU_ISA=AVX2"


def test_a_system_that_says_less_is_described_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "absent")
    found = describe_machine()
    assert found.processor
    assert (found.instruction_sets, found.threads) == ((), None)
    assert machine_line(found).startswith(found.processor)
