"""What of a machine decides the last bits of a training: processor, instruction sets, threads, versions.

TensorFlow chooses its kernels by what the processor can do, and sums in another order with each of them. The same job
and seed give the same bits on machines whose descriptions are the same.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from jpasbatch.version import __version__

PACKAGES = ("numpy", "keras", "tensorflow", "scikit-learn", "onnx")
INSTRUCTION_SETS = (
    *("sse4_1", "sse4_2", "avx", "avx2", "fma", "avx_vnni"),
    *("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile"),
    *("asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)
"""Names that Linux gives to those that libraries choose their kernels by, of x86 and of Arm."""

SWITCHES = ("KERAS_BACKEND", "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS", "XLA_FLAGS")
"""Variables of the environment that choose kernels, or the number of threads."""

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """What of a machine decides the last bits of a training.

    Attributes
    ----------
    processor, system : str
    instruction_sets : tuple of str
        Those of `INSTRUCTION_SETS` that it has; empty where the system does not tell.
    threads : int or None
        That the training framework uses; None where that is not known.
    switches : dict of str to str
        Those of `SWITCHES` that are set.
    versions : dict of str to str
        Of the packages that shape weights.
    """

    processor: str
    instruction_sets: tuple[str, ...]
    system: str
    threads: int | None
    switches: dict[str, str]
    versions: dict[str, str]


def describe_machine(threads: int | None = None) -> Machine:
    """Return what of this machine decides the last bits of a training.

    Parameters
    ----------
    threads : int, optional
        That the training framework uses; None where that is not known.
    """
    processor, found = _processor()
    return Machine(
        processor=processor,
        instruction_sets=tuple(found),
        system=f"{platform.system()} {platform.machine()}",
        threads=threads,
        switches={name: os.environ[name] for name in SWITCHES if name in os.environ},
        versions=installed_versions(),
    )


def installed_versions() -> dict[str, str]:
    """Return the versions that shape weights, without importing anything."""
    versions = {"jpasbatch": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def machine_line(machine: Machine) -> str:
    """Return a machine in one line, for a page."""
    widest = [name for name in machine.instruction_sets if name in ("avx2", "avx512f", "amx_tile", "sve")]
    parts = [machine.processor, *widest[-1:]]
    if machine.threads:
        parts.append(f"{machine.threads} {'thread' if machine.threads == 1 else 'threads'}")
    parts += [f"{name}={value}" for name, value in machine.switches.items()]
    return ", ".join(parts)


def _processor() -> tuple[str, list[str]]:
    """Return the name of the processor and its instruction sets."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return platform.processor() or platform.machine(), []
    pairs = [line.partition(":") for line in text.splitlines()]
    facts = {key.strip().lower(): value.strip() for key, _, value in reversed(pairs)}
    known = set((facts.get("flags") or facts.get("features") or "").split())
    name = facts.get("model name") or platform.processor() or platform.machine()
    return name, [one for one in INSTRUCTION_SETS if one in known]
