"""What went wrong with a service: for the moment, or for good; and its words, made fit to be shown."""

from __future__ import annotations

import re
from typing import Any

from jpasbatch.errors import InputError, JpasbatchError, TryAgainError

LONGEST_WORDS = 300
MAY_PASS = (408, 425, 429)
"""Answers below 500 that another attempt may change (RFC 9110, 6585, 8470)."""

NOT_KNOWN = (401, 403)
LONGEST_WAIT = 600.0
"""Seconds that a service may make us wait (Retry-After)."""


class TemporaryError(Exception):
    """Another attempt may succeed.

    Parameters
    ----------
    reason : str
    final : type
        Of the error that it becomes when no attempt succeeded.
    wait : float, optional
        Seconds that the service asks to wait.
    known_no_more : bool
        Whether the service does not know the user any more: log in again first.
    """

    def __init__(
        self,
        reason: str,
        final: type[JpasbatchError] = TryAgainError,
        wait: float | None = None,
        known_no_more: bool = False,
    ) -> None:
        super().__init__(reason)
        self.final, self.wait, self.known_no_more = final, wait, known_no_more


class GoneError(Exception):
    """The service does not know a job any more."""


def bounded_words(text: Any, secrets: tuple[str, ...] = ()) -> str:
    """Return what a service said on one line of at most 300 characters, without tags and without secrets."""
    plain = re.sub(r"<[^<>]{0,2000}>", " ", str(text)[:20_000])
    for secret in filter(None, secrets):
        plain = plain.replace(secret, "***")
    plain = " ".join("".join(one if one.isprintable() else " " for one in plain).split())
    return plain if len(plain) <= LONGEST_WORDS else f"{plain[:LONGEST_WORDS]}..."


def check_status(response: Any, words: str, form: bool, login: bool) -> None:
    """Raise what the status of an HTTP answer means, if it is no success.

    Parameters
    ----------
    response : requests.Response
    words : str
        What the service said.
    form : bool
        Whether a login is by form, so that a session can end.
    login : bool
        Whether there is any login.

    Raises
    ------
    TemporaryError, GoneError, InputError
    """
    status, method = response.status_code, response.request.method
    if status < 400:
        return
    where, said = response.url.partition("?")[0], f': "{words}"' if words else ""
    if status >= 500 or status in MAY_PASS:
        raise TemporaryError(f"HTTP {status} from {where}{said}", wait=asked_wait(response.headers))
    if status in NOT_KNOWN and form:
        raise TemporaryError(f"HTTP {status} from {where}{said}", InputError, known_no_more=True)
    if status in NOT_KNOWN:
        to_do = "see user and password" if login else "it needs a login: see [fetch.login] in jobs/README.md"
        raise InputError(f"{where} does not let us in (HTTP {status}){said}; {to_do}")
    if status in (404, 410) and re.search(r"/async/[^/]+", response.url):
        raise GoneError(f"HTTP {status} from {where}")
    raise InputError(f"{where} refused a {method} (HTTP {status}){said}; see [fetch] service and table")


def asked_wait(headers: Any) -> float | None:
    """Return the seconds of a header Retry-After, ten minutes at most; None when it says none, or names a date."""
    text = str(headers.get("Retry-After", ""))
    return min(float(text), LONGEST_WAIT) if re.fullmatch(r"\d{1,6}", text) else None
