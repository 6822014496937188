"""The table ``[fetch]`` of a job file: which tables of a TAP service are asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, MaxLen, MinLen

from jpasbatch.options import Matches, Options

Address = Annotated[
    str,
    MinLen(1),
    Matches(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", "https://HOST/PATH, without a user, a password, ? or #"),
]
Text = Annotated[str, MinLen(1), MaxLen(10_000)]
Name = Annotated[str, Matches(r"[^\s;]+", "a name without spaces")]


@dataclass(frozen=True)
class LoginOptions(Options):
    """How a user is made known to a service; the password is never an option.

    Attributes
    ----------
    kind : {"form", "basic"}
        ``form``: name and password are sent to a page once, which answers with a cookie (CEFCA's way). ``basic``: they
        go along with every request, to this service alone.
    user : str
        Asked for when it is empty, or taken from the environment (``JPASBATCH_FETCH_USER``).
    address : str, optional
        Of the page of a form.
    user_field, password_field : str
        What the form calls the two.
    more : dict of str to str
        Further fields that the form wants, such as its button.
    """

    kind: Literal["form", "basic"] = "form"
    user: str = ""
    address: Address | None = None
    user_field: Text = "login"
    password_field: Text = "password"
    more: dict[str, str] | None = None

    def check_relations(self) -> None:
        """Check that a form has an address, and basic authentication none."""
        if (self.kind == "form") != (self.address is not None):
            raise ValueError("address belongs to kind = 'form': the page to which name and password are sent")


@dataclass(frozen=True)
class FetchOptions(Options):
    """Which rows and columns of a table are asked for, in which pieces.

    Attributes
    ----------
    service : str
        Address of the TAP service, without ``/sync`` or ``/async``.
    table : str
        Such as ``jpas.MagABDualObj``.
    columns : tuple of str
        Names or expressions of ADQL (``mag_aper_6_0[jpas::iSDSS] AS i``); all columns without them.
    where : str
        A condition in ADQL that rows must meet.
    order : tuple of str
        Columns that sort the rows of a tile. Without them the service chooses, and may choose otherwise next time.
    tile_column : str
        The column that divides the table; a piece is what has the same value.
    tiles : tuple of int or str, or str
        The pieces that are wanted; or a file that names one a line; or ``"all"``.
    filter_table : str, optional
        Table that says which band is where in vectors (``jpas.Filter``); it is put into every file.
    jobs_at_once : int
        How many jobs are on the service at the same time.
    attempts : int
        How often the same is asked of a service that fails for the moment, before the run stops.
    job_hours : float
        How long a job may take, with its time in the queue.
    login : LoginOptions, optional
    """

    service: Address
    table: Name
    columns: tuple[Text, ...] = ()
    where: Annotated[str, MaxLen(10_000)] = ""
    order: tuple[Text, ...] = ()
    tile_column: Name = "tile_id"
    tiles: tuple[int | str, ...] | str = "all"
    filter_table: Name | None = None
    jobs_at_once: Annotated[int, Interval(ge=1, le=16)] = 2
    attempts: Annotated[int, Interval(ge=1, le=100)] = 6
    job_hours: Annotated[float, Interval(gt=0, le=168)] = 6.0
    login: LoginOptions | None = None

    def check_relations(self) -> None:
        """Check that there are tiles, each once, and that a password would travel encrypted.

        Raises
        ------
        ValueError
            If not.
        """
        names = Counter(map(str, self.tiles)) if isinstance(self.tiles, tuple) else Counter()
        twice = [name for name, number in names.items() if number > 1]
        if twice:
            raise ValueError(f"tiles: {twice[0]} is listed twice")
        if not self.tiles:
            raise ValueError('tiles: is empty; list tiles, name a file of them, or write "all"')
        if self.login is not None:
            for address in (self.service, self.login.address or self.service):
                if not travels_safely(address):
                    raise ValueError(
                        f"login: {address} is not encrypted, and a password would be readable on the way; use https"
                    )


def travels_safely(address: str) -> bool:
    """Return whether nobody on the way can read what is sent to an address: encrypted, or on this machine."""
    scheme, _, rest = address.partition("://")
    host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
    return scheme == "https" or host in ("127.0.0.1", "localhost", "[::1]")
