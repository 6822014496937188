"""A scheduler that runs already."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from jpasbatch.compute.clusters.description import Description
from jpasbatch.compute.clusters.executor import Executor, Seconds
from jpasbatch.compute.clusters.joining import joined_scheduler
from jpasbatch.compute.clusters.security import warn_of_insecure
from jpasbatch.errors import InputError
from jpasbatch.hosts import is_loopback
from jpasbatch.options import Options

if TYPE_CHECKING:
    from distributed import Security


OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""What a key may not allow: anything to its group or to others."""


@dataclass(frozen=True)
class TransportSecurity(Options):
    """Files that a client of a TLS scheduler presents: PEM paths, never their contents."""

    ca_file: str
    certificate: str
    key: str


@dataclass(frozen=True)
class AddressCluster(Options):
    """A scheduler that runs already, started by ``dask scheduler`` or a site's own tools.

    Attributes
    ----------
    scheduler : str
        ``tls://HOST:PORT``, with ``[tls]``.
    tls : TransportSecurity, optional
        Required by ``tls://``.
    insecure : bool
        Allows ``tcp://`` on this machine: the scheduler runs code for whoever connects, and every user of it can.
    no_workers_timeout : float
        Seconds to wait for a first worker, and after which a run that lost all of them gives up.
    resources : dict of str to float
        What the workers of the scheduler were started with (``--resources``), such as ``{GPU = 1}``.
    """

    scheduler: str
    kind: Literal["address"] = "address"
    tls: TransportSecurity | None = None
    insecure: bool = False
    no_workers_timeout: Seconds = 60.0
    resources: dict[str, float] = field(default_factory=dict)

    def check_relations(self) -> None:
        """Refuse an address that is not encrypted, but where the file says that it may be."""
        try:
            parts = urlsplit(self.scheduler)
            whole = parts.scheme in ("tcp", "tls") and parts.hostname is not None and parts.port is not None
        except ValueError:  # a port or an IPv6 address that is none
            whole = False
        if not whole:
            raise ValueError(f"scheduler: found '{self.scheduler}'; write tls://HOST:PORT")
        if parts.scheme == "tcp" and not is_loopback(parts.hostname or ""):
            raise ValueError(
                f"scheduler: '{self.scheduler}' is not encrypted and not on this machine; "
                "use tls:// with a [tls] table (ca_file, certificate, key)"
            )
        if parts.scheme == "tcp" and not self.insecure:
            raise ValueError(
                f"scheduler: '{self.scheduler}' is not encrypted, so that every user of this machine can run code as "
                "the one who started it; use tls:// with a [tls] table (deploy/address.toml says how), or write "
                "insecure = true where nobody else can log in"
            )
        if parts.scheme == "tls" and self.tls is None:
            raise ValueError("scheduler: tls:// needs a [tls] table with ca_file, certificate and key")

    def describe(self) -> Description:
        """Return what `open` would join; the scheduler is not asked."""
        return Description(self.kind, None, f"the workers that the scheduler at {self.scheduler} has")

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Join the scheduler, and leave it at the end.

        Raises
        ------
        TryAgainError
            When it cannot be reached, or has no worker within ``no_workers_timeout``.
        """
        if self.tls is None:
            warn_of_insecure(self.scheduler)
        with joined_scheduler(
            self.scheduler,
            _security(self.tls),
            self.no_workers_timeout,
            "start one with `dask scheduler` and run the same command again, or correct `scheduler` in the cluster "
            "file",
            f"the scheduler at {self.scheduler} has no worker after {self.no_workers_timeout:g} s; "
            "start workers with `dask worker` and run the same command again",
        ) as client:
            yield Executor(client, dict(self.resources), self.no_workers_timeout)


def path_mode(path: Path) -> str:
    """Return a path with its permissions, as a message shows them."""
    return f"{path} has mode {stat.S_IMODE(path.stat().st_mode):04o}"


def _security(tls: TransportSecurity | None) -> Security | None:
    if tls is None:
        return None
    import distributed

    for key, path in vars(tls).items():
        if not Path(path).is_file():
            raise InputError(f"tls.{key}: no such file: {path}")
    if Path(tls.key).stat().st_mode & OTHERS:
        raise InputError(
            f"tls.key: {path_mode(Path(tls.key))}; whoever reads it can run code as you: chmod 600 {tls.key}, "
            "or make a new one if others may have read it"
        )

    return distributed.Security(
        tls_ca_file=tls.ca_file,
        tls_client_cert=tls.certificate,
        tls_client_key=tls.key,
        require_encryption=True,
    )
