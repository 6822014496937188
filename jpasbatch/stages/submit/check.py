"""``jpasbatch targets check``: all that is wrong with a WEAVE target catalogue, whoever wrote it."""

from __future__ import annotations

import json
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.products.targets.checking.catalogue import check_catalogue
from jpasbatch.products.targets.checking.violation import Violation, row_ranges
from jpasbatch.products.targets.weave_template import open_template

NOT_SUBMITTABLE = 4
"""Exit code of a list that cannot be submitted as it is."""

MOST_BYTES = 2**32


def check_targets(files: list[Path], template: Path | None, as_json: bool) -> int:
    """Check target catalogues, and print what is wrong: a table for people, or one JSON object a file.

    Parameters
    ----------
    files : list of Path
    template : Path, optional
        Template of the survey; the built-in columns without it.
    as_json : bool

    Returns
    -------
    int
        0 where every list can be submitted, warnings or not; `NOT_SUBMITTABLE` where one cannot.

    Raises
    ------
    InputError
        When a file or the template cannot be read.
    """
    form = None if template is None else open_template(template, "--template")
    worst = 0
    for file in files:
        # the name that WEAVE sees is that of the link, if it is one
        faults = check_catalogue(read_whole(file), file.name, form)
        errors = sum(fault.severity == "error" for fault in faults)
        worst = NOT_SUBMITTABLE if errors else worst
        if as_json:
            found = [fault.to_dict() for fault in faults]
            print(json.dumps({"file": str(file), "submittable": not errors, "faults": found}), flush=True)
        else:
            _show(file, faults, errors)
    return worst


def read_whole(file: Path) -> bytes:
    """Read a file that is one, and no larger than a list can be.

    Raises
    ------
    InputError
        When it is no file, or cannot be read.
    """
    if not file.is_file():  # a pipe or a device would never end
        what = "is a folder" if file.is_dir() else "there is no such file"
        raise InputError(f"{file}: {what}; name a FITS file")
    if file.stat().st_size > MOST_BYTES:
        raise InputError(
            f"{file}: has {file.stat().st_size:,} bytes; allowed are {MOST_BYTES:,}: this is no list"
        )
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None


def _show(file: Path, faults: list[Violation], errors: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    warnings = len(faults) - errors
    verdict = "cannot be submitted" if errors else "can be submitted"
    line = f"{file}: {verdict}; {_number(errors, 'error')}, {_number(warnings, 'warning')}"
    if faults:
        table = Table(box=box.SIMPLE)
        for column in ("", "rule", "where", "rows", "found", "allowed"):
            table.add_column(column, overflow="fold")
        for fault in faults:
            where = f"{fault.where} {fault.column}".strip()
            cells = (fault.severity, fault.rule, where, row_ranges(fault.rows), fault.found, fault.allowed)
            table.add_row(*(Text(cell) for cell in cells))
        console.print(table)
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
