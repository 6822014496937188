"""The file of ``--notify``: who is told how a run ended. It is the operator's, and belongs to no job and no cluster."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from annotated_types import Interval, MinLen

from jpasbatch.errors import InputError
from jpasbatch.job.job import read_toml, validate
from jpasbatch.options import Matches, Options

Event = Literal["success", "unchanged", "held", "failure", "retry"]
"""How a run can end: published; nothing to do; made and held back (exit code 4); anything else; 75, run it again."""

TOLD: tuple[Event, ...] = ("success", "held", "failure", "retry")
"""What is told unless the file says otherwise: all but runs that found nothing to do."""

SECRET = "{secret}"  # a place in an address, not a secret
ADDRESS = re.compile(r"https://[^\s/@?#{}]+/[^\s#]*")
SECRET_FORM = re.compile(r"[A-Za-z0-9._~%/=&?+:-]+")
Variable = Annotated[str, Matches(r"([A-Za-z_][A-Za-z0-9_]*)?", "the name of an environment variable")]


@dataclass(frozen=True)
class NotifyOptions(Options):
    """One that is told: a command, or an address of the web.

    Attributes
    ----------
    command : tuple of str
        Program and arguments, run without a shell; it gets the notification as JSON on its standard input.
    webhook : str
        ``https://HOST/PATH``, to which the notification is posted as JSON. ``{secret}`` in its path is the value of
        a variable of the environment.
    secret : str
        Name of that variable.
    on : tuple of str
        Ends of a run that are told.
    seconds : float
        After which the attempt is given up.
    """

    command: tuple[Annotated[str, MinLen(1)], ...] = ()
    webhook: str = field(default="", repr=False)
    secret: Variable = ""
    on: Annotated[tuple[Event, ...], MinLen(1)] = TOLD
    seconds: Annotated[float, Interval(gt=0, le=60)] = 10.0

    def check_relations(self) -> None:
        """Refuse two ways at once, and addresses that are not encrypted; no message repeats the address."""
        if bool(self.command) == bool(self.webhook):
            raise ValueError("write either command = [...] or webhook = '...'; several tables are [[notify]]")
        if self.webhook and not ADDRESS.fullmatch(self.webhook):
            raise ValueError(
                "webhook: allowed is https://HOST/PATH, encrypted, without a user or password; it is not repeated here "
                "because it may hold a secret"
            )
        if (SECRET in self.webhook) != bool(self.secret):
            raise ValueError(
                "secret: names the environment variable whose value takes the place of {secret} in webhook; write both "
                "or neither"
            )
        if len(set(self.on)) < len(self.on):
            raise ValueError(f"on: names an end twice; allowed, once each: {', '.join(get_args(Event))}")

    @property
    def kind(self) -> str:
        """``command`` or ``webhook``."""
        return "command" if self.command else "webhook"

    def address(self) -> str:
        """Return the address with its secret, for the one who connects, and for no message.

        Raises
        ------
        InputError
            When the variable is not set, or holds what is no part of an address.
        """
        if not self.secret:
            return self.webhook
        value = os.environ.get(self.secret, "")
        if not SECRET_FORM.fullmatch(value):
            wrong = "holds what is no part of an address" if value else "is not set"
            raise InputError(
                f"[notify] secret: the environment variable {self.secret} {wrong}; allowed are letters, digits and "
                "._~%/=&?+:-"
            )
        return self.webhook.replace(SECRET, value)


def load_notify(path: Path | None) -> tuple[NotifyOptions, ...]:
    """Read and check the file of ``--notify``; nobody is told without one.

    Raises
    ------
    InputError
        When it cannot be read, a key is unknown, a value is not allowed, or the variable of a secret is not set.
    """
    if path is None:
        return ()
    tables = read_toml(path)
    unknown = sorted(set(tables) - {"notify"})
    if unknown or "notify" not in tables:
        found = f"found '{unknown[0]}'" if unknown else "it is empty"
        raise InputError(f"{path}: {found}; allowed is a table [notify], or several [[notify]]")
    listed = tables["notify"] if isinstance(tables["notify"], list) else [tables["notify"]]
    several = len(listed) > 1
    options = tuple(
        validate(NotifyOptions, table, f"{path}: [notify]{f' {number}' if several else ''}")
        for number, table in enumerate(listed, start=1)
    )
    for one in options:
        one.address()  # what lacks now would lack at the end of the run
    return options
