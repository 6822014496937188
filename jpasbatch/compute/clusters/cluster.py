"""Where the work runs: in this process, in local processes, or on an existing scheduler.

A cluster file (``deploy/*.toml``) is one of the dataclasses below; `open_cluster` turns it into an
`Executor`, which is all that the stages see of Dask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

from jpasbatch.compute.interruption import leave_ctrl_c_to_this_thread, stop_postponed, stop_requested
from jpasbatch.compute.meter import Display
from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.hosts import is_loopback

if TYPE_CHECKING:
    import distributed
    from distributed import Client, Security

# One thread a worker: a task that kills its worker then takes no innocent neighbour along, and the
# threads of the inference runtime never outnumber the cores.
THREADS_PER_WORKER = 1

# Deaths that Dask forgives before it gives a task up. Two, so that a task which kills its worker is known
# soon; the runner then tries it alone.
ALLOWED_FAILURES = 1

# How workers allocate, in bytes. Dask's default (trim at 64 KiB) also fixes glibc's limit for allocations by mmap at
# 128 KiB, so that the scratch memory of every training step is taken from the system and given back: epochs took
# nearly twice as long (benchmarks/malloc.py).
MALLOC = {"MALLOC_TRIM_THRESHOLD_": 256 * 2**20, "MALLOC_MMAP_THRESHOLD_": 32 * 2**20}

# What Dask does beside the tasks, in the driver and in every worker: it takes a look at every thread a hundred times a
# second, and at its event loop fifty times. On a busy machine that is 4.4 % of the processors, and 1.6 without
# (benchmarks/dask_overhead.py); nothing here is read by anybody.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.scheduler.active-memory-manager.start": False,  # results of less than a kilobyte have no copies
}


@dataclass(frozen=True)
class SerialCluster:
    """Everything in this process, one partition after another: for debugging and for tests."""

    kind: Literal["serial"] = "serial"


@dataclass(frozen=True)
class LocalCluster:
    """Worker processes on this machine, reachable from this machine only.

    Attributes
    ----------
    workers : int
        Number of worker processes, of one thread each.
    memory_limit : str
        Memory of one worker at which it is restarted, such as ``"4 GiB"``; ``"auto"`` shares the machine.
    resources : dict of str to float
        What each worker offers, such as ``{GPU = 1}``; training asks for ``GPU`` where it is declared.
    no_workers_timeout : float
        Seconds after which a run gives up (exit code 75) when no worker is left.
    """

    kind: Literal["local"] = "local"
    workers: int = 2
    memory_limit: str = "auto"
    resources: dict[str, float] = field(default_factory=dict)
    no_workers_timeout: float = 60.0

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers: found {self.workers}; at least 1 is needed")
        if not re.fullmatch(r"auto|\d+(\.\d+)? ?([kMGT]i?B|B)", self.memory_limit):
            raise ValueError(f"memory_limit: found '{self.memory_limit}'; write 'auto', or like '4 GiB'")
        _check_timeout(self.no_workers_timeout)


@dataclass(frozen=True)
class TransportSecurity:
    """Files that a client of a TLS scheduler presents: PEM paths, never their contents."""

    ca_file: str
    certificate: str
    key: str


@dataclass(frozen=True)
class AddressCluster:
    """A scheduler that runs already, started by ``dask scheduler`` or a site's own tools.

    Attributes
    ----------
    scheduler : str
        ``tcp://`` for loopback, ``tls://`` (with ``[tls]``) for any other host.
    tls : TransportSecurity, optional
        Required by ``tls://``.
    no_workers_timeout : float
        Seconds to wait for a first worker, and after which a run that lost all of them gives up.
    resources : dict of str to float
        What the workers of the scheduler were started with (``--resources``), such as ``{GPU = 1}``.
    """

    scheduler: str
    kind: Literal["address"] = "address"
    tls: TransportSecurity | None = None
    no_workers_timeout: float = 60.0
    resources: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_timeout(self.no_workers_timeout)
        try:
            parts = urlsplit(self.scheduler)
            whole = parts.scheme in ("tcp", "tls") and parts.hostname is not None and parts.port is not None
        except ValueError:  # a port or an IPv6 address that is none
            whole = False
        if not whole:
            raise ValueError(
                f"scheduler: found '{self.scheduler}'; write tcp://HOST:PORT (loopback only) or tls://HOST:PORT"
            )
        if parts.scheme == "tcp" and not is_loopback(parts.hostname or ""):
            raise ValueError(
                f"scheduler: '{self.scheduler}' is not encrypted and not on this machine; "
                "use tls:// with a [tls] table (ca_file, certificate, key)"
            )
        if parts.scheme == "tls" and self.tls is None:
            raise ValueError("scheduler: tls:// needs a [tls] table with ca_file, certificate and key")


Cluster = SerialCluster | LocalCluster | AddressCluster


def _check_timeout(seconds: float) -> None:
    if not 0 < seconds <= 86_400:
        raise ValueError(f"no_workers_timeout: found {seconds}; allowed is above 0 to 86400 seconds")


@dataclass(frozen=True)
class Executor:
    """What runs tasks: a Dask client, or nothing (then this process does).

    Attributes
    ----------
    client : distributed.Client or None
        None runs every task in this process, in order.
    resources : dict of str to float
        What each worker declares.
    no_workers_timeout : float
        Seconds without any worker after which the run gives up.
    displays : tuple of Display
        Where progress is shown, beside the terminal or the log.
    """

    client: Client | None
    resources: dict[str, float]
    no_workers_timeout: float
    displays: tuple[Display, ...] = ()

    def request(self, resource: str) -> dict[str, float] | None:
        """Return the request for one unit of a resource, or None where no worker declares it."""
        return {resource: 1} if resource in self.resources else None

    def count_workers(self) -> int:
        """Return how many workers there are now; 1 in this process, 0 when the scheduler does not answer."""
        if self.client is None:
            return 1
        try:
            return len(cast(dict, self.client.nthreads()))
        except Exception:  # a lost scheduler shows in many ways; the runner finds out by itself
            return 0


@contextmanager
def open_cluster(options: Cluster) -> Iterator[Executor]:
    """Start or join a cluster, and leave it at the end.

    Raises
    ------
    InputError
        When the scheduler cannot be reached.
    TryAgainError
        When it has no worker within ``no_workers_timeout``.
    """
    if isinstance(options, SerialCluster):
        yield Executor(None, {}, 0.0)
        return
    opening = _open_local(options) if isinstance(options, LocalCluster) else _open_address(options)
    with opening as client:
        yield Executor(client, dict(options.resources), options.no_workers_timeout)


@contextmanager
def _open_local(options: LocalCluster) -> Iterator[Client]:
    import distributed
    from dask import config

    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        "distributed.scheduler.no-workers-timeout": f"{options.no_workers_timeout}s",
        "distributed.admin.large-graph-warning-threshold": "1MB",
        **QUIET,
        # Dask looks this long after a worker's death whether it is there, and closes its nanny when it is not: also
        # when it died again and is starting. Workers that die often then end as no worker at all.
        "distributed.deploy.lost-worker-timeout": "365 days",
        **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in MALLOC.items()},
    }
    with config.set(settings), ExitStack() as stack:
        with stop_postponed(), leave_ctrl_c_to_this_thread():  # Dask cannot close what is still starting
            stack.enter_context(cluster := _start_local(options))
            client = stack.enter_context(distributed.Client(cluster))
        try:
            yield client
        finally:
            with stop_postponed():
                stack.close()


def _start_local(options: LocalCluster) -> distributed.LocalCluster:
    import distributed

    try:
        return distributed.LocalCluster(
            n_workers=options.workers,
            threads_per_worker=THREADS_PER_WORKER,
            processes=True,
            host="127.0.0.1",
            # always a free port: where the default one is taken, Dask warns even if nothing is to be served
            dashboard_address="127.0.0.1:0",
            memory_limit=options.memory_limit,
            resources=options.resources or None,
        )
    except RuntimeError as error:  # a worker died while it started
        if stop_requested():
            raise
        raise TryAgainError(
            f"the local workers did not start ({error}); see that there is memory for {options.workers}, and run "
            "the same command again"
        ) from error


@contextmanager
def _open_address(options: AddressCluster) -> Iterator[Client]:
    import distributed

    try:
        client = distributed.Client(
            options.scheduler, security=_security(options.tls), timeout=options.no_workers_timeout
        )
    except (OSError, TimeoutError) as error:
        raise InputError(
            f"no scheduler answers at {options.scheduler} ({type(error).__name__}); "
            "start one with `dask scheduler`, or correct `scheduler` in the cluster file"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=options.no_workers_timeout)
        except TimeoutError as error:
            raise TryAgainError(
                f"the scheduler at {options.scheduler} has no worker after {options.no_workers_timeout:g} s; "
                "start workers with `dask worker` and run the same command again"
            ) from error
        yield client


def _security(tls: TransportSecurity | None) -> Security | None:
    if tls is None:
        return None
    import distributed

    for key, path in vars(tls).items():
        if not Path(path).is_file():
            raise InputError(f"tls.{key}: no such file: {path}")

    return distributed.Security(
        tls_ca_file=tls.ca_file,
        tls_client_cert=tls.certificate,
        tls_client_key=tls.key,
        require_encryption=True,
    )


@contextmanager
def borrow_client(executor: Executor) -> Iterator[Client]:
    """Yield a client for a library that needs one: the executor's, or one within this process."""
    if executor.client is not None:
        yield executor.client
        return
    import distributed

    with distributed.Client(
        processes=False,
        n_workers=1,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
    ) as client:  # the default one while it is lent: hats-import looks for it there as well
        yield client
