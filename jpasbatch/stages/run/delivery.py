"""How a notification reaches somebody: the standard input of a command, or a request to an address of the web.

Either has a time limit, and no failure says more than its kind: an address may hold a secret.
"""

from __future__ import annotations

import http.client
import os
import queue
import signal
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.job.notify import NotifyOptions
from jpasbatch.version import __version__

STANDARD_ERROR = 2
"""What a command prints goes there: standard output is that of the run."""


class DeliveryError(Exception):
    """Nobody was told; the message says why, and holds no address."""


def deliver(options: NotifyOptions, payload: bytes) -> None:
    """Hand a notification over.

    Parameters
    ----------
    options : NotifyOptions
    payload : bytes
        JSON.

    Raises
    ------
    DeliveryError
        When the command fails, the address answers anything but success, or either takes too long.
    """
    if options.command:
        _run(options.command, payload, options.seconds)
    else:
        try:
            address = options.address()
        except InputError as error:
            raise DeliveryError(str(error)) from None
        _post(address, payload, options.seconds)


def _run(command: tuple[str, ...], payload: bytes, seconds: float) -> None:
    try:
        # a group of its own, so that what the command started can be ended with it
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=STANDARD_ERROR, start_new_session=True
        )
    except OSError as error:
        raise DeliveryError(f"the command cannot be run ({error.strerror})") from None
    try:
        process.communicate(payload, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise DeliveryError(f"the command took longer than {seconds:g} s and was ended") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise DeliveryError(f"the command ended with {process.returncode}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the secret would go to the other address too, perhaps without encryption."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(address: str, payload: bytes, seconds: float) -> None:
    """Post in a thread, which one time limit ends: the library limits single packets, not the look-up of names."""
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    arguments = (address, payload, seconds, answers)
    threading.Thread(target=_answer, args=arguments, name="notification", daemon=True).start()
    try:
        trouble = answers.get(timeout=seconds)
    except queue.Empty:
        trouble = f"the address did not answer within {seconds:g} s"
    if trouble:
        raise DeliveryError(trouble)


def _answer(address: str, payload: bytes, seconds: float, answers: queue.SimpleQueue[str]) -> None:
    try:
        answers.put(_request(address, payload, seconds))
    except Exception as error:  # a message of a library may hold the address
        answers.put(f"the request failed ({type(error).__name__})")


def _request(address: str, payload: bytes, seconds: float) -> str:
    """Return what went wrong; nothing when the address took it."""
    headers = {"Content-Type": "application/json", "User-Agent": f"jpasbatch/{__version__}"}
    opener = urllib.request.build_opener(
        _NoRedirect(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    request = urllib.request.Request(address, payload, headers, method="POST")
    try:
        with opener.open(request, timeout=seconds):
            return ""  # errors of HTTP, and what leads elsewhere, are exceptions
    except urllib.error.HTTPError as error:
        error.close()
        return f"the address answered {error.code} {http.client.responses.get(error.code, '')}".rstrip()
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            return "the certificate of the address is not valid"
        return f"the address cannot be reached ({type(error.reason).__name__})"
