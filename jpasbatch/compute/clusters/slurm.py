"""Workers in jobs of Slurm, by dask-jobqueue; the scheduler is in the driver, which is best a job itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Interval

from jpasbatch.compute.clusters.description import Description
from jpasbatch.compute.clusters.executor import Executor, Seconds
from jpasbatch.compute.clusters.joining import wait_for_first_worker
from jpasbatch.compute.clusters.key_folder import keys_in_folder, mark_of
from jpasbatch.compute.clusters.larger import Larger, memory_steps
from jpasbatch.compute.clusters.replacement import Replacement
from jpasbatch.compute.clusters.slurm_queue import cancel_named, is_out_of_reach, queued_jobs
from jpasbatch.compute.clusters.watching import Watched
from jpasbatch.compute.clusters.worker_settings import driver_settings, variable, worker_settings
from jpasbatch.compute.interruption import leave_ctrl_c_to_this_thread, stop_postponed
from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.options import Matches

if TYPE_CHECKING:
    from distributed import Client, Security

Memory = Annotated[str, Matches(r"\d+(\.\d+)? ?[MG]i?B", "memory like '4 GiB'")]
WallTime = Annotated[
    str, Matches(r"(\d+-)?\d{1,2}:\d{2}:\d{2}", "hours:minutes:seconds, or days-hours:minutes:seconds")
]
Limit = Annotated[str, Matches(r"(\d+(\.\d+)? ?[MG]i?B)?", "memory like '16 GiB', or nothing")]
Folder = Annotated[str, Matches(r"\S*", "a folder without spaces")]
Word = Annotated[str, Matches(r"[\w.,:@+-]*", "a name without spaces")]

DASK_SHARE = 0.9
"""Of the memory of a job that its workers may take before Dask restarts one: Slurm would end the whole job."""

DEATH_TIMEOUT = 60
"""Seconds after which a worker ends whose driver is gone."""


@dataclass(frozen=True)
class SlurmCluster(Watched):
    """Workers in jobs of Slurm. What is empty here is taken from the site's ``jobqueue.yaml``, if it has one.

    Attributes
    ----------
    workers : int
        In all; their number is fixed.
    workers_per_job : int
        Of one thread each.
    cores, memory : int, str
        That a job asks for, for each of its workers.
    memory_limit : str
        Up to which a task whose worker had too little memory (``OUT_OF_MEMORY``) gets more, from one try to the next:
        it runs alone then, on a worker in a job of its own. Empty: never more than ``memory``.
    memory_growth : float
        By how many times a try has more memory than the one before.
    wall_time : str
        Of a job. Workers leave before its end, at different times, and are asked for again.
    queue, account : str
        Partition, and who pays.
    gpu : str
        Generic resource of a GPU, such as ``"gpu:1"`` or ``"gpu:a100:1"``; training then asks for one.
    directives, skip_directives : tuple of str
        Further ones, such as ``"--constraint=avx512"``, and those that the site refuses, such as ``"--mem"``.
    setup : tuple of str
        Lines of shell before the worker starts, such as ``"module load python"``.
    shared_folder : str
        Of yours, which driver and workers share: keys of the run, and logs of jobs.
    local_folder : str
        Fast and local to a node, for what Dask spills, such as ``"$TMPDIR"``.
    interface : str
        Network by which driver and workers talk, such as ``"ib0"``.
    python : str
        Of the workers; the driver's own if empty.
    replacements : int
        Jobs that are asked for again in the whole run, for those that ended.
    start_timeout, no_workers_timeout : float
        Seconds within which a first worker must be there, and after which a run gives up that has none.
    """

    kind: Literal["slurm"] = "slurm"
    workers: Annotated[int, Ge(1)] = 2
    workers_per_job: Annotated[int, Ge(1)] = 1
    cores: Annotated[int, Ge(1)] = 1
    memory: Memory = "4 GiB"
    memory_limit: Limit = ""
    memory_growth: Annotated[float, Interval(ge=1.1, le=16)] = 2.0
    wall_time: WallTime = "08:00:00"
    queue: Word = ""
    account: Word = ""
    gpu: Word = ""
    directives: tuple[str, ...] = ()
    skip_directives: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    shared_folder: Folder = "~/.jpasbatch"
    local_folder: Folder = ""
    interface: Word = ""
    python: Folder = ""
    replacements: Annotated[int, Ge(0)] = 20
    start_timeout: Seconds = 3600.0
    no_workers_timeout: Seconds = 600.0

    def check_relations(self) -> None:
        """Refuse a wall time that is too short, a limit below the memory, and workers that would share a GPU."""
        if seconds_of(self.wall_time) < 60:
            raise ValueError(f"wall_time: found '{self.wall_time}'; allowed is a minute or more")
        if self.memory_limit and bytes_of(self.memory_limit) < bytes_of(self.memory):
            raise ValueError(
                f"memory_limit: found '{self.memory_limit}'; allowed is what `memory` says ('{self.memory}'), or more"
            )
        if self.gpu and self.workers_per_job > 1:
            raise ValueError(
                f"gpu: {self.workers_per_job} workers of a job would share its GPU; write workers_per_job = 1"
            )
        if self.workers % self.workers_per_job:
            raise ValueError(
                f"workers: {self.workers} cannot be shared among jobs of {self.workers_per_job} (workers_per_job)"
            )

    def describe(self) -> Description:
        """Return what `open` would submit: a script for each job, but for the places of scheduler and keys."""
        _, job_kind = _jobqueue()
        jobs = self.workers // self.workers_per_job
        script = job_kind(
            "tls://HOST:PORT", name="jpasbatch-NUMBER", **self.job_options(_placeholder(self.folder))
        )
        says = (
            f"{self.workers} workers in {jobs} jobs of Slurm, {self.cores} cores and {self.memory} for each worker, "
            f"{self.wall_time} a job{f', partition {self.queue}' if self.queue else ''}"
            f"{f', up to {self.memory_limit} for a task that needs it' if self._steps() else ''}"
        )
        return Description(self.kind, self.workers, says, script.job_script())

    @property
    def folder(self) -> Path:
        """Of keys and logs."""
        return Path(self.shared_folder).expanduser().absolute()

    def _steps(self) -> tuple[int, ...]:
        return memory_steps(
            bytes_of(self.memory), self.memory_growth, bytes_of(self.memory_limit or self.memory)
        )

    def job_options(self, security: Security) -> dict[str, Any]:
        """Return what dask-jobqueue is told about a job."""
        memory = bytes_of(self.memory) * self.workers_per_job
        lifetime, stagger = lifetime_of(seconds_of(self.wall_time))
        arguments = ["--no-dashboard", "--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{stagger}s"]
        arguments += ["--resources", "GPU=1"] if self.gpu else []
        exports = [f"export {variable(key)}='{value}'" for key, value in worker_settings().items()]
        directives = [f"--output={self.folder / 'logs'}/%x-%j.log"]
        directives += [f"--gres={self.gpu}"] if self.gpu else []
        return {
            "job_name": job_name(mark_of(security)),
            "queue": self.queue or None,
            "account": self.account or None,
            "walltime": self.wall_time,
            "cores": self.workers_per_job,  # Dask's threads; one a worker
            "processes": self.workers_per_job,
            "job_cpu": self.cores * self.workers_per_job,
            **_memory_options(memory),
            "job_extra_directives": [*directives, *self.directives],
            "job_directives_skip": list(self.skip_directives),
            "job_script_prologue": [*exports, *self.setup],
            "local_directory": self.local_folder or None,
            "python": self.python or None,
            "death_timeout": DEATH_TIMEOUT,
            "worker_extra_args": arguments,
            "interface": self.interface or None,
            "protocol": "tls://",
            "security": security,
        }

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Submit the jobs, wait for a first worker, and cancel them at the end.

        Raises
        ------
        InputError
            When dask-jobqueue is not installed, or Slurm refuses a job.
        TryAgainError
            When the queue does not answer, or no worker starts within ``start_timeout``.
        """
        from dask import config

        _jobqueue()  # before anything is written
        settings = {**driver_settings(self.no_workers_timeout), **self.page_settings()}
        keys = keys_in_folder(self.folder, lambda mark: cancel_named(job_name(mark)))
        with keys as security, config.set(settings):
            (self.folder / "logs").mkdir(mode=0o700, exist_ok=True)
            with ExitStack() as stack:
                with stop_postponed(), leave_ctrl_c_to_this_thread():
                    cluster = stack.enter_context(self._start(security))
                    client = stack.enter_context(_connect(cluster))
                try:
                    replacement = stack.enter_context(Replacement(cluster, queued_jobs, self.replacements))
                    self.tell_dashboard(client)
                    self._wait(client)
                    resources = {"GPU": 1.0} if self.gpu else {}
                    larger = Larger(
                        client,
                        self._steps(),
                        lambda memory, resource: self._ask_larger(cluster, memory, resource),
                        self.start_timeout,
                    )
                    lost = {"departed": replacement.departed, "losses": replacement.losses}
                    yield Executor(client, resources, self.no_workers_timeout, larger=larger, **lost)
                finally:
                    with stop_postponed():
                        stack.close()

    def _start(self, security: Security) -> Any:
        cluster_kind, job_kind = _jobqueue()
        scheduler = self.scheduler_options()
        options = {key: value for key, value in self.job_options(security).items() if key != "security"}
        cluster = cluster_kind(
            n_workers=0,
            job_cls=job_kind,
            security=security,
            scheduler_options=scheduler,
            name="jpasbatch",
            **options,
        )
        try:
            for _ in range(self.workers // self.workers_per_job):
                cluster.worker_spec.update(cluster.new_worker_spec())
            cluster.sync(cluster._correct_state)  # as `scale`, which would keep what sbatch answers to itself
        except BaseException as error:
            cluster.close()
            if not isinstance(error, RuntimeError | OSError):
                raise
            raise _refused(str(error)) from error
        return cluster

    def _ask_larger(self, cluster: Any, memory: int, resource: str) -> None:
        """Submit a job of one worker with so many bytes, which declares a resource."""
        offers = ",".join(["GPU=1"] * bool(self.gpu) + [f"{resource}=1"])
        [(name, usual)] = cluster.new_worker_spec().items()
        arguments = [
            one for one in usual["options"]["worker_extra_args"] if one not in ("--resources", "GPU=1")
        ]
        options = {
            **usual["options"],
            **_memory_options(memory),
            "cores": 1,
            "processes": 1,
            "job_cpu": self.cores,
            "worker_extra_args": [*arguments, "--resources", offers],
        }
        cluster.worker_spec[name] = {**usual, "options": options}
        try:
            cluster.sync(cluster._correct_state)
        except (RuntimeError, OSError):
            cluster.worker_spec.pop(name)
            raise

    def _wait(self, client: Client) -> None:
        asked = " with a GPU" if self.gpu else ""
        wait_for_first_worker(
            client,
            self.start_timeout,
            f"no worker{asked} came within {self.start_timeout:g} s: `squeue --me` says what its job waits for, "
            f"and {self.folder / 'logs'} why it ended. Run the same command again, or raise start_timeout",
        )


def job_name(mark: str) -> str:
    """Return the name of all jobs of a run, by which the next run finds those that a killed one left."""
    return f"jpasbatch-{mark}"


def seconds_of(wall_time: str) -> int:
    """Return the seconds of a wall time as Slurm writes it."""
    days, hours, minutes, seconds = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", wall_time).groups("0")  # type: ignore[union-attr]
    return ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)


def bytes_of(memory: str) -> int:
    """Return the bytes of a memory as cluster files write it."""
    from dask.utils import parse_bytes

    return parse_bytes(memory.replace(" ", ""))


def _memory_options(memory: int) -> dict[str, str]:
    """Return what dask-jobqueue is told of the memory of a job: of its workers, and of all of it."""
    return {"memory": f"{int(memory * DASK_SHARE)} B", "job_mem": f"{-(-memory // 2**20)}M"}


def lifetime_of(wall_time: int) -> tuple[int, int]:
    """Return the seconds after which a worker leaves, and by how many more or fewer.

    The last one leaves a fifth of the wall time before its end, or ten minutes, and none at the same time as others, so
    that the run never has to do without all of them.
    """
    margin = min(wall_time // 5, 600)
    stagger = margin // 2
    return wall_time - margin - stagger, stagger


def _jobqueue() -> tuple[Any, Any]:
    """Return the kinds of cluster and job of dask-jobqueue; the job's tells Dask when it has ended."""
    try:
        from dask_jobqueue.slurm import SLURMCluster, SLURMJob
    except ImportError:
        raise InputError("kind 'slurm' needs dask-jobqueue: pip install 'jpasbatch[slurm]'") from None
    from distributed.core import Status

    class Job(SLURMJob):
        async def close(self) -> None:
            await super().close()
            self.status = Status.closed  # a cluster whose jobs were refused cannot be closed otherwise

    return SLURMCluster, Job


def _connect(cluster: Any) -> Client:
    import distributed

    return distributed.Client(cluster)


def _placeholder(folder: Path) -> Security:
    import distributed

    files = {"cert": str(folder / "keys-RUN/certificate.pem"), "key": str(folder / "keys-RUN/key.pem")}
    return distributed.Security(
        require_encryption=True,
        tls_ca_file=files["cert"],
        **{f"tls_worker_{name}": path for name, path in files.items()},
    )


def _refused(message: str) -> InputError | TryAgainError:
    lines = message.strip().splitlines()
    answer = " ".join(line for line in lines if "error" in line.lower()) or " ".join(lines[-3:])
    if is_out_of_reach(message):
        return TryAgainError(f"Slurm does not answer ({answer}); run the same command again", "QUEUE_LOST")
    return InputError(
        f"Slurm took no job of workers: {answer}. Correct the cluster file (queue, account, cores, memory, wall_time, "
        "directives), or see that `sbatch` is there; --dry-run shows the script"
    )
