"""No cluster: all tasks run in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from jpasbatch.compute.clusters.description import Description
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.options import Options


@dataclass(frozen=True)
class SerialCluster(Options):
    """Everything in this process, one partition after another: for debugging and for tests."""

    kind: Literal["serial"] = "serial"

    def describe(self) -> Description:
        """Return what `open` would start."""
        return Description(self.kind, 1, "this process alone, one task after another")

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Yield an executor that runs every task in this process."""
        yield Executor(None, {}, 0.0)
