"""A page on its way to the disk, with the numbers of its figures beside it."""

from __future__ import annotations

import re
from pathlib import Path

from jpasbatch.pages.figures import Report
from jpasbatch.storage.stores.files import write_atomically

_LINK = re.compile(r'href="([\w-]+/[\w-]+\.csv)"')


def publish_page(path: Path, report: Report) -> list[Path]:
    """Write a page with the files that it links to, and remove those that the page before had and this one has not.

    Parameters
    ----------
    path : Path
        Of the page.
    report : Report

    Returns
    -------
    list of Path
        The numbers of its figures.
    """
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    written = {path.parent / name: data for name, data in report.numbers.items()}
    for file, data in written.items():  # before the page that links to them
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, data)
    write_atomically(path, report.page.encode())
    for old in {path.parent / name for name in _LINK.findall(before)} - set(written):
        old.unlink(missing_ok=True)
    return sorted(written)
