"""The HTTP session with a service: time limits, login, and what each answer means."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from jpasbatch.errors import InputError
from jpasbatch.job.fetch import LoginOptions, travels_safely
from jpasbatch.stages.fetch.failures import TemporaryError, bounded_words, check_status
from jpasbatch.stages.fetch.passwords import Credentials
from jpasbatch.version import __version__

CONNECT_SECONDS, READ_SECONDS = 15.0, 60.0
"""How long a service may take to accept a connection, and to send the next bytes: all its long work is in jobs."""

LARGEST_WORDS = 20_000
"""Bytes of an error document that are read."""


class ForOneOrigin(AuthBase):
    """Name and password for one service: other hosts, to which an answer may point, get none."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        self._origin = origin(address)
        self._basic = HTTPBasicAuth(credentials.user.encode(), credentials.password.encode())

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header where the request goes to the service."""
        return self._basic(request) if origin(str(request.url)) == self._origin else request


def origin(address: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(address)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class Session(requests.Session):
    """A session that pyvo can use; failures are `TemporaryError`, `GoneError` or `InputError`.

    Parameters
    ----------
    service : str
        Address of the service.
    login : LoginOptions, optional
    ask : callable, optional
        Returns name and password; called at the first login, and never where there is no login.
    """

    def __init__(
        self,
        service: str,
        login: LoginOptions | None = None,
        ask: Callable[[], Credentials] | None = None,
    ) -> None:
        super().__init__()
        self.headers["User-Agent"] = f"jpasbatch/{__version__} (IVOA-copy)"
        self._service, self._login, self._ask = service, login, ask
        self._credentials: Credentials | None = None
        self._turn = threading.Lock()
        self._logins = 0

    def log_in(self, seen: int = 0) -> None:
        """Make the user known to the service.

        Parameters
        ----------
        seen : int
            How many logins (`logins`) there were when the need was seen: another thread may have been first.

        Raises
        ------
        InputError
            When the service refuses, or nobody can be asked for the password.
        TemporaryError
            When it does not answer.
        """
        with self._turn:
            if self._login is None or self._ask is None or self._logins > seen:
                return
            self._credentials = self._credentials or self._ask()
            if self._login.kind == "basic":
                self.auth = ForOneOrigin(self._service, self._credentials)
            else:
                self._send_form(self._login, self._credentials)
            self._logins += 1

    @property
    def logins(self) -> int:
        """How many logins succeeded."""
        return self._logins

    def words(self, text: Any) -> str:
        """Return what the service said, fit to be shown: bounded, and without the password."""
        return bounded_words(text, () if self._credentials is None else (self._credentials.password,))

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, with time limits, and return the answer if it is a success.

        Raises
        ------
        TemporaryError, GoneError, InputError
            See `jpasbatch.stages.fetch.failures`.
        """
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        response = self._send(method, url, *args, **kwargs)
        self._check(response)
        return response

    def _send(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            return super().request(method, url, *args, **kwargs)
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise InputError(f"{url}: its certificate cannot be trusted ({self.words(error)})") from None
            raise self._lost(error) from None
        except requests.exceptions.TooManyRedirects as error:
            raise InputError(f"{url}: leads in a circle ({self.words(error)})") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise InputError(f"{url}: is no address that can be asked ({self.words(error)})") from None
        except requests.RequestException as error:
            raise self._lost(error) from None

    def _lost(self, error: Exception) -> TemporaryError:
        return TemporaryError(f"the connection failed ({type(error).__name__}: {self.words(error)})")

    def _check(self, response: requests.Response) -> None:
        login = self._login
        by_form = login is not None and login.kind == "form"
        is_page = "text/html" in response.headers.get("Content-Type", "")
        words = self.words(beginning(response)) if response.status_code >= 400 or is_page else ""
        check_status(response, words, by_form, login is not None)
        if is_page and response.status_code == 200:
            # services show a page to whom they do not know, and gateways to everybody
            reason = f'{response.url.partition("?")[0]} answered with a page for people: "{words}"'
            raise TemporaryError(
                f"{reason}{'' if by_form else '; it may need a login ([fetch.login])'}",
                InputError,
                known_no_more=by_form,
            )

    def _send_form(self, login: LoginOptions, credentials: Credentials) -> None:
        address = str(login.address)
        fields = {
            **(login.more or {}),
            login.user_field: credentials.user,
            login.password_field: credentials.password,
        }
        # a redirected form would be sent again, to wherever the answer says: it is followed without what was sent
        response = self._send(
            "POST", address, data=fields, allow_redirects=False, timeout=(CONNECT_SECONDS, READ_SECONDS)
        )
        if response.status_code in (401, 403) or (response.ok and not self.cookies):
            raise InputError(
                f"{address} did not let {credentials.user!r} in (HTTP {response.status_code}, "
                f"{'no cookie' if not self.cookies else 'refused'}); see user and password, and [fetch.login] "
                "user_field, password_field and more"
            )
        check_status(response, self.words(beginning(response)), False, True)
        following = response.headers.get("Location")
        if response.is_redirect and following:
            target = urljoin(address, following)
            if travels_safely(target):
                self._send("GET", target, timeout=(CONNECT_SECONDS, READ_SECONDS)).close()
        response.close()


def beginning(response: requests.Response) -> str:
    """Return the first bytes of an answer as text: an error document, whatever its length claims to be."""
    try:
        found = next(response.iter_content(LARGEST_WORDS), b"")
    except (requests.RequestException, RuntimeError):
        return ""
    return found.decode(response.encoding or "utf-8", "replace") if isinstance(found, bytes) else str(found)
