"""Workers on machines that are reached by SSH; the scheduler is in the driver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Interval, MinLen

from jpasbatch.compute.clusters.description import Description
from jpasbatch.compute.clusters.executor import Executor, Seconds
from jpasbatch.compute.clusters.joining import wait_for_first_worker
from jpasbatch.compute.clusters.key_folder import keys_in_folder
from jpasbatch.compute.clusters.local import MemoryLimit
from jpasbatch.compute.clusters.replacement import Replacement
from jpasbatch.compute.clusters.watching import Watched
from jpasbatch.compute.clusters.worker_settings import driver_settings
from jpasbatch.compute.interruption import leave_ctrl_c_to_this_thread, stop_postponed
from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.options import Matches

if TYPE_CHECKING:
    from distributed import Security

Host = Annotated[str, Matches(r"[\w.:-]+", "the name or address of a host")]
Folder = Annotated[str, Matches(r"[^\s'\"]*", "a path without spaces")]

CONNECT_SECONDS = 20
KEEPALIVE_SECONDS = 15
"""Between two questions to a host; one that does not answer three of them is lost."""

TELL_START = {"logging": {"distributed": "info"}}
"""What workers are told of their log, whatever the driver is told: by its lines Dask sees that they started."""

DEATH_TIMEOUT = 60
"""Seconds after which a worker ends whose driver is gone."""


@dataclass(frozen=True)
class SshCluster(Watched):
    """Workers on hosts that share a file system with the driver, and let it in by key, without a question.

    Attributes
    ----------
    hosts : tuple of str
        The driver's own may be one.
    workers_per_host : int
        Of one thread each.
    memory_limit : str
        Of one worker, at which it is restarted.
    user, port, identity, known_hosts : str, int
        As for ``ssh``, whose own configuration counts where these are empty. A host whose key is not known is refused.
    python : str
        Of the hosts; the driver's own path if empty.
    shared_folder : str
        Of yours, which driver and hosts share, for the keys of the run.
    local_folder : str
        Fast and local to a host, for what Dask spills.
    interface : str
        Network of the driver by which the hosts reach it.
    resources : dict of str to float
        What each worker offers, such as ``{GPU = 1}``.
    replacements : int
        How often a lost host is asked for its workers again, in the whole run.
    start_timeout, no_workers_timeout : float
        Seconds within which all workers must be there, and after which a run gives up that has none.
    """

    hosts: Annotated[tuple[Host, ...], MinLen(1)]
    kind: Literal["ssh"] = "ssh"
    workers_per_host: Annotated[int, Ge(1)] = 1
    memory_limit: MemoryLimit = "4 GiB"
    user: str = ""
    port: Annotated[int, Interval(ge=0, le=65535)] = 0
    identity: Folder = ""
    known_hosts: Folder = ""
    python: Folder = ""
    shared_folder: Folder = "~/.jpasbatch"
    local_folder: Folder = ""
    interface: Folder = ""
    resources: dict[str, float] = field(default_factory=dict)
    replacements: Annotated[int, Ge(0)] = 20
    start_timeout: Seconds = 120.0
    no_workers_timeout: Seconds = 300.0

    def check_relations(self) -> None:
        """Refuse a host that is named twice."""
        twice = sorted({host for host in self.hosts if self.hosts.count(host) > 1})
        if twice:
            raise ValueError(
                f"hosts: {twice[0]} is named twice; workers_per_host says how many workers each has"
            )

    def describe(self) -> Description:
        """Return what `open` would start on the hosts."""
        workers = len(self.hosts) * self.workers_per_host
        says = f"{workers} workers, {self.workers_per_host} on each of {', '.join(self.hosts)}, by SSH"
        return Description(self.kind, workers, says, json.dumps(self._worker_options(), indent=1))

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Start the workers, and stop them at the end.

        Raises
        ------
        InputError
            When asyncssh is not installed, or a host refuses the driver.
        TryAgainError
            When a host does not answer, or no worker starts within ``start_timeout``.
        """
        import distributed
        from dask import config

        worker_kind = _worker_kind()
        folder = Path(self.shared_folder).expanduser().absolute()
        with keys_in_folder(folder) as security, ExitStack() as stack:
            settings = {
                **driver_settings(self.no_workers_timeout),
                **self.page_settings(),
                **_files_of(security),
                **TELL_START,
            }
            stack.enter_context(
                config.set(settings)
            )  # Dask sends its configuration along: paths, and no keys
            try:
                with stop_postponed(), leave_ctrl_c_to_this_thread():
                    cluster = stack.enter_context(self._start(worker_kind, security))
                    client = stack.enter_context(distributed.Client(cluster))
                replacement = stack.enter_context(
                    Replacement(cluster, lambda: _living(cluster), self.replacements)
                )
                wait_for_first_worker(
                    client,
                    self.start_timeout,
                    f"no worker came within {self.start_timeout:g} s: see that the hosts reach this machine, and "
                    f"share {folder} with it (shared_folder). Run the same command again",
                )
                self.tell_dashboard(client)
                losses = replacement.losses
                yield Executor(client, dict(self.resources), self.no_workers_timeout, losses=losses)
            finally:
                with stop_postponed():
                    stack.close()

    def _start(self, worker_kind: Any, security: Security) -> Any:
        import distributed

        scheduler = {
            "protocol": "tls://",
            "security": security,
            "interface": self.interface or None,
            **self.scheduler_options(),
        }
        silence: Any = "error"  # a level, as for other clusters; Dask's annotation knows only bool
        cluster = distributed.SpecCluster(
            scheduler={"cls": distributed.Scheduler, "options": scheduler},
            workers={},
            security=security,
            name="jpasbatch",
            silence_logs=silence,
        )
        try:
            cluster.worker_spec.update(self._specification(worker_kind))
            cluster.sync(cluster._correct_state)  # raises what a host answers
        except BaseException as error:
            cluster.close()
            if not isinstance(error, Exception):
                raise
            raise _refused(error, self.hosts) from error
        return cluster

    def _specification(self, worker_kind: Any) -> dict[str, Any]:
        connection = {
            "connect_timeout": CONNECT_SECONDS,
            "keepalive_interval": KEEPALIVE_SECONDS,
            **({"username": self.user} if self.user else {}),
            **({"port": self.port} if self.port else {}),
            **({"client_keys": [str(Path(self.identity).expanduser())]} if self.identity else {}),
            **({"known_hosts": str(Path(self.known_hosts).expanduser())} if self.known_hosts else {}),
        }
        return {
            host: {
                "cls": worker_kind,
                "options": {
                    "address": host,
                    "connect_options": connection,
                    "kwargs": self._worker_options(),
                    "remote_python": self.python or None,
                },
            }
            for host in self.hosts
        }

    def _worker_options(self) -> dict[str, Any]:
        return {
            "n_workers": self.workers_per_host,
            "nthreads": 1,
            "memory_limit": self.memory_limit,
            "protocol": "tls",
            "dashboard": False,
            "death_timeout": DEATH_TIMEOUT,
            **({"local_directory": self.local_folder} if self.local_folder else {}),
            **({"resources": self.resources} if self.resources else {}),
        }


def _worker_kind() -> Any:
    """Return Dask's worker by SSH, which is seen when it is lost, and whose log never stops it."""
    try:
        import asyncssh
    except ImportError:
        raise InputError("kind 'ssh' needs asyncssh: pip install 'jpasbatch[ssh]'") from None
    import asyncio

    from distributed.core import Status
    from distributed.deploy.ssh import Worker

    class RemoteWorkers(Worker):
        """The workers of one host."""

        @property
        def job_id(self) -> str:
            return str(self.address)

        @property
        def lives(self) -> bool:
            return self.proc is not None and self.proc.returncode is None and not self.proc.is_closing()

        async def start(self) -> None:
            try:
                await super().start()
            except (OSError, TimeoutError, asyncssh.Error) as error:
                raise ConnectionError(f"{self.address}: {type(error).__name__}: {error}") from error
            self.reading = asyncio.ensure_future(self._read())

        async def _read(self) -> None:
            """Read what workers say: what nobody reads fills the connection, and then they wait."""
            try:
                while await self.proc.stderr.readline():
                    pass
            except (OSError, asyncssh.Error):  # the connection is lost, which `lives` tells
                return

        async def close(self) -> None:
            if self.proc is not None and self.lives:
                self.proc.terminate()
            if self.connection is not None:
                self.connection.close()
                await self.connection.wait_closed()
            self.status = Status.closed

    return RemoteWorkers


def _living(cluster: Any) -> dict[str, str]:
    return {worker.job_id: "RUNNING" for worker in list(cluster.workers.values()) if worker.lives}


def _files_of(security: Any) -> dict[str, Any]:
    """Return the settings by which a worker on another machine finds the keys of the run."""
    return {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": security.tls_ca_file,
        "distributed.comm.tls.worker.cert": security.tls_worker_cert,
        "distributed.comm.tls.worker.key": security.tls_worker_key,
    }


def _refused(error: Exception, hosts: tuple[str, ...]) -> InputError | TryAgainError:
    cause = error.__cause__
    if isinstance(cause, OSError | TimeoutError):
        return TryAgainError(
            f"a host does not answer: {error}; run the same command again, or leave it out of `hosts`",
            "NO_WORKERS",
        )
    return InputError(
        f"no workers were started on {', '.join(hosts)}: {error}. `ssh HOST true` must work without a question: the "
        "host's key known, yours accepted; and `python` must be that of jpasbatch there"
    )
