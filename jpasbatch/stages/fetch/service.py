"""A TAP service, asked by asynchronous jobs (IVOA UWS 1.1): submitted, watched, fetched to disk, deleted.

A job on the service is written down below the run's folder before it runs, so that whoever comes after a crash can
delete it. The protocol is pyvo's; what is here is patience: a connection that is lost, a service that is busy, a
session that ended.
"""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

import requests

from jpasbatch.compute.interruption import stop_requested
from jpasbatch.errors import INTERRUPTED, InputError, JpasbatchError, TryAgainError
from jpasbatch.stages.fetch.answers import Answer, read_answer
from jpasbatch.stages.fetch.failures import GoneError, TemporaryError, bounded_words
from jpasbatch.stages.fetch.session import Session, origin

if TYPE_CHECKING:
    from pyvo.dal import AsyncTAPJob

log = logging.getLogger(__name__)

LARGEST_ANSWER = 8 << 30
"""Bytes of a tile's VOTable; of a larger one, nobody could say that it fits into memory."""

BLOCK = 1 << 20
FIRST_POLL, LONGEST_POLL = 0.25, 15.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 120.0
"""Seconds between two looks at a job, and between two attempts; each grows to its limit."""

ACTIVE = ("PENDING", "QUEUED", "EXECUTING", "SUSPENDED", "HELD", "UNKNOWN")

Result = TypeVar("Result")


@dataclass
class Service:
    """A service and how to deal with it.

    Attributes
    ----------
    address : str
    session : Session
    folder : Path
        Of notes on jobs, and of answers until they are read.
    attempts : int
        How often the same is asked before the run stops.
    job_seconds : float
        How long a job may take.
    first_wait : float
        Seconds until the second attempt.
    """

    address: str
    session: Session
    folder: Path
    attempts: int
    job_seconds: float
    first_wait: float = FIRST_WAIT
    _stopped: threading.Event = field(default_factory=threading.Event)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, what: str, query: str, rows: int, use: Callable[[Answer], Result]) -> Result:
        """Ask for a table and return what is made of it.

        Parameters
        ----------
        what : str
            For messages: "tile 2241".
        query : str
        rows : int
            So many may come at most (MAXREC).
        use : callable
            Gets the answer; what it raises as `TemporaryError` makes the service be asked again. One answer is in
            memory at a time.

        Raises
        ------
        InputError, TryAgainError
            See `insist`.
        """
        return self.insist(what, lambda: self.ask_once(query, rows, use))

    def insist(self, what: str, attempt: Callable[[], Result]) -> Result:
        """Call what asks the service, as often as the job allows; errors name the service.

        Raises
        ------
        InputError
            When the service refuses the query.
        TryAgainError
            When it does not answer, or the run was interrupted.
        """
        try:
            return self.patiently(what, attempt)
        except InputError as error:
            raise InputError(f"{self.address}: {what}: {error}") from None

    def patiently(self, what: str, call: Callable[[], Result]) -> Result:
        """Call a function until it succeeds, with growing waits between.

        Raises
        ------
        TryAgainError or InputError
            When no attempt succeeded: whichever the failure says. A `TryAgainError` stops all threads.
        """
        last: Exception = TemporaryError("")
        logins = 0
        for attempt in range(self.attempts):
            known = self.session.logins
            try:
                return call()
            except GoneError:
                raise
            except TemporaryError as error:
                last = error
            if attempt + 1 == self.attempts:
                break
            if last.known_no_more:
                logins += 1
                if logins > 2:
                    break
                self.session.log_in(known)
            wait = self._wait(attempt) if last.wait is None else last.wait
            log.info("%s: %s; attempt %d of %d in %.0f s", what, last, attempt + 2, self.attempts, wait)
            self.pause(wait)
        raise self._final(what, last)

    def pause(self, seconds: float) -> None:
        """Wait, unless the run stops meanwhile.

        Raises
        ------
        TryAgainError
            When it does.
        """
        end = time.monotonic() + seconds
        while True:
            if stop_requested() or self._stopped.is_set():
                raise TryAgainError(
                    "interrupted; what is committed is kept: run the same command again to go on",
                    INTERRUPTED,
                )
            left = end - time.monotonic()
            if left <= 0:
                return
            self._stopped.wait(min(left, 0.2))

    def delete_left(self) -> None:
        """Delete the jobs that an earlier run left on the service, as far as it still knows them."""
        notes = sorted(self.folder.glob("*.job"))
        if notes:
            self.patiently("logging in", self.session.log_in)
        for note in notes:
            address = note.read_text(encoding="utf-8").strip()
            if origin(address) == origin(self.address):
                log.info("fetch: deleting a job that an earlier run left: %s", address)
                self._delete(address, note)

    def _wait(self, attempt: int) -> float:
        # at random, so that threads that failed together do not come back together
        return min(self.first_wait * 2**attempt, LONGEST_WAIT) * random.uniform(0.75, 1.25)

    def _final(self, what: str, last: Any) -> JpasbatchError:
        if last.final is InputError:
            return InputError(str(last))
        self._stopped.set()
        return TryAgainError(
            f"{self.address}: {what}: {last}, {self.attempts} times; what is committed is kept: run the same command "
            "again later",
            "SERVICE_LOST",
        )

    def ask_once(self, query: str, rows: int, use: Callable[[Answer], Result]) -> Result:
        """Run one job and use its answer; whatever happens, the job is deleted and the answer too.

        Raises
        ------
        TemporaryError
            When another attempt may succeed.
        InputError
            When the service refuses the query.
        """
        from pyvo.dal import AsyncTAPJob

        self.session.log_in()
        address = self._submit(query, rows)
        note = self.folder / f"{hashlib.sha256(address.encode()).hexdigest()[:24]}.job"
        target = note.with_suffix(".xml")
        try:
            note.write_text(f"{address}\n", encoding="utf-8")
            job = self.patiently("opening a job", lambda: AsyncTAPJob(address, session=self.session))
            self._run(job)
            self._download(job.result_uri or f"{address}/results/result", target)
        except GoneError as error:
            raise TemporaryError(f"the service lost the job ({error})") from None
        finally:
            self._delete(address, note)
        try:
            with self._reading:
                return use(read_answer(target))
        finally:
            target.unlink(missing_ok=True)

    def _submit(self, query: str, rows: int) -> str:
        """Submit a query and return the address of its job, which does not run yet."""
        # pyvo follows the answer to the job at once, and where that fails nobody knows which job to delete
        form = {"REQUEST": "doQuery", "LANG": "ADQL", "MAXREC": str(rows), "QUERY": query}
        address = f"{self.address.rstrip('/')}/async"
        response = self.session.post(address, data=form, allow_redirects=False)
        job = response.headers.get("Location")
        if not response.is_redirect or not job:
            raise InputError(
                f"{address} answered with HTTP {response.status_code} and no job; see [fetch] service: it is the "
                "address of a TAP service, without /sync or /async"
            )
        return urljoin(address, job)

    def _run(self, job: AsyncTAPJob) -> None:
        """Start a job and wait for its end.

        Raises
        ------
        TemporaryError
            When it failed for the moment, or takes too long.
        GoneError
            When the service does not know it any more.
        InputError
            When it failed for good.
        """
        start, interval = time.monotonic(), FIRST_POLL
        phase = self.patiently("starting a job", lambda: self._start(job))
        while phase in ACTIVE:
            if time.monotonic() - start > self.job_seconds:
                raise TemporaryError(
                    f"the job is {phase} after {self.job_seconds:.0f} s ([fetch] job_hours)", TryAgainError
                )
            self.pause(interval)
            interval = min(interval * 1.3, LONGEST_POLL)
            phase = self.patiently("watching a job", lambda: self._phase(job))
        if phase == "COMPLETED":
            return
        summary: Any = job._job.errorsummary  # type: ignore[attr-defined]  # only this has no request of its own
        message = None if summary is None else summary.message
        words = self.session.words((message.content if message else "") or "") or "no reason given"
        if phase == "ERROR" and (summary is None or summary.type_ != "transient"):
            raise InputError(f'the service refused the query: "{words}"')
        raise TemporaryError(f'the job ended as {phase}: "{words}"')

    def _start(self, job: AsyncTAPJob) -> str:
        # a start whose answer was lost is not repeated: a job runs once
        phase = self._phase(job)
        if phase == "PENDING":
            job.run()
            phase = self._phase(job)
        return phase

    def _phase(self, job: AsyncTAPJob) -> str:
        try:
            return str(job.phase)
        except (TemporaryError, GoneError, JpasbatchError):
            raise
        except Exception as error:  # the parser raises many kinds
            raise TemporaryError(
                f"the state of a job is no UWS document ({type(error).__name__}: {self.session.words(error)})"
            ) from None

    def _download(self, address: str, target: Path) -> None:
        self.patiently("fetching a result", lambda: self._download_once(address, target))

    def _download_once(self, address: str, target: Path) -> None:
        found = 0
        try:
            with self.session.get(address, stream=True) as response, target.open("wb") as file:
                for block in response.iter_content(BLOCK):
                    found += len(block)
                    if found > LARGEST_ANSWER:
                        raise InputError(
                            f"the answer is larger than {LARGEST_ANSWER >> 30} GiB; divide the table by another "
                            "[fetch] tile_column, or ask for fewer columns"
                        )
                    file.write(block)
                    self.pause(0)
        except requests.RequestException as error:
            raise TemporaryError(
                f"the connection broke after {found} bytes ({type(error).__name__}: {bounded_words(error)})"
            ) from None

    def _delete(self, address: str, note: Path) -> None:
        """Delete a job; where the service does not do it, the note stays for the next run."""
        try:
            self.session.delete(address, allow_redirects=False)
        except GoneError:
            pass
        except (TemporaryError, InputError) as error:
            log.info("fetch: the job %s could not be deleted: %s", address, bounded_words(error))
            return
        note.unlink(missing_ok=True)
