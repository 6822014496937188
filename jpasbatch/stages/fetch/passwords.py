"""Name and password of a user: asked for, or taken from the environment; never written anywhere."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass, field

from jpasbatch.errors import InputError
from jpasbatch.job.fetch import LoginOptions

USER_VARIABLE = "JPASBATCH_FETCH_USER"
PASSWORD_VARIABLE = "JPASBATCH_FETCH_PASSWORD"  # the name of a variable, not a password


@dataclass(frozen=True)
class Credentials:
    """Who asks; the password is not shown where the object is."""

    user: str
    password: str = field(repr=False)


def ask_credentials(login: LoginOptions, service: str) -> Credentials:
    """Return name and password: of the job file, the environment, or the terminal, in this order.

    Raises
    ------
    InputError
        When one is missing and there is no terminal to ask at, or it is empty.
    """
    user = login.user or os.environ.get(USER_VARIABLE, "")
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not (user and password) and not sys.stdin.isatty():
        lacking = PASSWORD_VARIABLE if user else f"{USER_VARIABLE} and {PASSWORD_VARIABLE}"
        raise InputError(
            f"{service} needs a login, and there is no terminal to ask at: put name and password into {lacking}"
        )
    if not user:
        print(f"user of {service}: ", end="", file=sys.stderr, flush=True)
        user = sys.stdin.readline().strip()
    password = password or getpass.getpass(f"password of {user} at {service}: ")
    if not (user and password):
        raise InputError(f"{service} needs a login: name and password must not be empty")
    return Credentials(user, password)
