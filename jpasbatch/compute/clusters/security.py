"""Who may talk to a cluster: a scheduler and its workers run whatever they are sent, as the user who started them.

Everything that a run starts speaks TLS, on loopback too, where every user of the machine could connect. Both sides show
a certificate, which the run makes for itself: it lives in the memory of its processes, and ends with them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Security

log = logging.getLogger(__name__)

NO_PAGES: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Settings of Dask: the HTTP servers of scheduler and workers, which ask nobody who he is, serve nothing."""


def own_security() -> Security:
    """Return keys and certificates for one run; nobody who lacks them is let in."""
    import distributed

    return distributed.Security.temporary()


def warn_of_insecure(address: str) -> None:
    """Say what it means to speak to a scheduler that lets everybody in."""
    log.warning(
        "%s is not encrypted and asks nobody who he is (insecure = true): whoever can reach that port can run code as "
        "the users who started scheduler and workers, read what these can read, and change results",
        address,
    )
