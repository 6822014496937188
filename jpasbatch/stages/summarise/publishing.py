"""What a finished job writes for people: the files of its products, the page, and the numbers of its figures."""

from __future__ import annotations

from pathlib import Path

from jpasbatch.products.protocol import LookUp, Parts, Writer
from jpasbatch.products.report import NUMBERS, make_report
from jpasbatch.stages.run.records import recorded
from jpasbatch.stages.run.stage_facts import SummariseFacts
from jpasbatch.stages.summarise.summary import Outcome, report_content
from jpasbatch.stages.summarise.versions import check_links, publish_versions
from jpasbatch.storage.stores.files import sha256_file, write_atomically, written_aside


def write_products(outcome: Outcome, parts: Parts, look_up: LookUp) -> list[Path]:
    """Write the files that products publish, and return where they are."""
    writers = {}  # of all of them first: what is found wrong now has published nothing
    for product in outcome.products:
        found = outcome.findings.found[product.name]
        writers |= product.files(found, parts, outcome.created, outcome.findings)
    versions = [
        version
        for product in outcome.products
        for version in product.versions(
            outcome.findings.found[product.name], parts, outcome.findings, look_up
        )
    ]
    folder = outcome.workspace.folder
    before = recorded(outcome.workspace, SummariseFacts)
    check_links(folder, versions, {} if before is None else before.facts.files)
    written = [_publish(folder / name, write) for name, write in writers.items()]
    return [*written, *publish_versions(folder, versions, outcome.created)]


def write_report(outcome: Outcome, identity: str) -> list[Path]:
    """Write the page and the numbers of its figures, and return where they are.

    Numbers of figures that the page does not have any more go, as far as they are what the last run wrote.
    """
    workspace, report = outcome.workspace, make_report(report_content(outcome, identity))
    page, before = workspace.folder / "report.html", recorded(workspace, SummariseFacts)
    for name, digest in ({} if before is None else before.facts.files).items():
        old = workspace.folder / name
        ours = name.startswith(f"{NUMBERS}/") and name not in report.numbers
        if ours and old.is_file() and sha256_file(old) == digest:
            old.unlink()
    tables = {workspace.folder / name: data for name, data in report.numbers.items()}
    for target, data in tables.items():  # before the page that links to them
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, data)
    write_atomically(page, report.page.encode())
    return [*tables, page]


def _publish(target: Path, write: Writer) -> Path:
    """Write a file aside, fsync it and rename it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(target) as aside, aside.open("w+b") as file:
        write(file)
    return target
