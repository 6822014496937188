"""What a finished job says of itself: the content of the report and of ``summary.json``."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from jpasbatch.products.protocol import Findings, Product
from jpasbatch.products.report import QuarantineLine, ReportContent, StageLine, product_warnings
from jpasbatch.products.sections import Section
from jpasbatch.products.series import series_section
from jpasbatch.stages.run.workspace import SHORT, Workspace
from jpasbatch.stages.summarise.series import earlier_publications, this_publication
from jpasbatch.stages.summarise.warnings import class_mixes, run_warnings
from jpasbatch.storage.stores.ledger import without_undefined
from jpasbatch.version import __version__

PACKAGES = (
    "numpy",
    "pyarrow",
    "dask",
    "hats",
    "openvino",
    "onnxruntime",
    "astropy",
    "healpy",
    "keras",
    "tensorflow",
    "lsdb",
)


def versions() -> dict[str, str]:
    """Return the versions of what shapes the products; packages that are not installed are left out."""
    found = {"jpasbatch": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Outcome:
    """What a finished job has to tell.

    Attributes
    ----------
    workspace : Workspace
    products : tuple of Product
    findings : Findings
    records : dict of str to dict
        Of the stages that finished, by name.
    created : str
        ISO date and time.
    """

    workspace: Workspace
    products: tuple[Product, ...]
    findings: Findings
    records: dict[str, dict[str, Any]]
    created: str


def report_content(outcome: Outcome, identity: str) -> ReportContent:
    """Return all that the report shows; ``identity`` is the fingerprint of the stage."""
    workspace, records = outcome.workspace, outcome.records
    return ReportContent(
        job=workspace.job.title or workspace.job.name,
        created=outcome.created,
        mock_title=mock_title(workspace),
        products=outcome.products,
        findings=outcome.findings,
        warnings=tuple(run_warnings(sky_kind(workspace), records, outcome.findings, mock_kind(workspace))),
        quarantine=_quarantine(records),
        provenance=_provenance(records, identity),
        stages=tuple(_stage_line(stage, record) for stage, record in records.items()),
        sections=_series(outcome),
    )


def _series(outcome: Outcome) -> tuple[Section, ...]:
    """Return the section of all publications so far, where there are several."""
    earlier = earlier_publications(outcome.workspace.folder)
    section = series_section(
        [*earlier, this_publication(outcome.created, outcome.records, headlines(outcome))]
    )
    return () if section is None else (section,)


def headlines(outcome: Outcome) -> dict[str, Any]:
    """Return what the record of the stage says of each product."""
    findings = outcome.findings
    found = {
        product.name: product.headline(findings.found[product.name], findings) for product in outcome.products
    }
    return {name: headline for name, headline in found.items() if headline is not None}


def sky_kind(workspace: Workspace) -> str:
    """Return what the catalogue holds: ``"mock"``, ``"spectra"`` (real ones through filters), or ``"survey"``."""
    job = workspace.job
    if job.catalogue.input is not None or job.mock is None:
        return "survey"
    return "spectra" if job.mock.kind == "spectra" else "mock"


def mock_kind(workspace: Workspace) -> str:
    """Return which kind of mock made the catalogue; empty where none did."""
    mock = workspace.job.mock
    return mock.kind if mock is not None and sky_kind(workspace) == "mock" else ""


MOCK_TITLES = {
    "builtin": "Mock sky: for demonstration, not for science",
    "templates": "Mock sky that descends from a template pack (see mock/realism.html)",
    "broadband": "Mock of modelled galaxies and active nuclei: no observed object is in it",
}


def mock_title(workspace: Workspace) -> str:
    """Return the first line of the banner of a mock sky; empty where the sky is none."""
    kind = mock_kind(workspace)
    return MOCK_TITLES[kind] if kind else ""


TRUTH = {
    "mock": "by construction of the mock sky",
    "spectra": "from visual inspection of the spectra",
    "survey": "from the catalogue",
}


def origin_of_truth(workspace: Workspace) -> str:
    """Return how the true classes of the catalogue are known, as the end of a sentence."""
    return TRUTH[sky_kind(workspace)]


def _quarantine(records: dict[str, dict[str, Any]]) -> tuple[QuarantineLine, ...]:
    reasons = records.get("ingest", {}).get("reasons", {})
    lines = [QuarantineLine(reason, rows) for reason, rows in reasons.items()]
    infer = records.get("infer", {})
    if infer.get("quarantined"):
        gaps = f", or in one of {infer['gaps']} partitions that failed" if infer["gaps"] else ""
        lines.append(QuarantineLine(f"no finite features or probabilities{gaps}", infer["quarantined"]))
    return tuple(lines)


def _stage_line(stage: str, record: dict[str, Any]) -> StageLine:
    rows = record.get("rows_out", record.get("rows", 0))
    return StageLine(stage, float(record["seconds"]), sum(rows.values()) if isinstance(rows, dict) else rows)


def _provenance(records: dict[str, dict[str, Any]], identity: str) -> dict[str, str]:
    fingerprints = {
        f"{stage} fingerprint": record["fingerprint"][:SHORT] for stage, record in records.items()
    }
    places = {
        key: Path(records["infer"][key]).name for key in ("predictions", "committee") if "infer" in records
    }
    if "redshifts" in records.get("infer", {}):
        places["redshift committee"] = Path(records["infer"]["redshifts"]["committee"]).name
    return {**versions(), **fingerprints, "summarise fingerprint": identity[:SHORT], **places}


def table_provenance(
    workspace: Workspace, records: dict[str, dict[str, Any]], identity: str
) -> dict[str, str]:
    """Return what the metadata of tables say of the run: the job, what it was made of, and versions."""
    told = {"job": workspace.job.name, **_provenance(records, identity)}
    return {key.replace(" ", "_"): value for key, value in told.items()}


def summary_values(outcome: Outcome) -> dict[str, Any]:
    """Return the content of ``summary.json``: rows, seconds, versions, and what each product adds."""
    workspace, records, findings = outcome.workspace, outcome.records, outcome.findings
    mixes = class_mixes(records, findings)
    ingest, infer = records.get("ingest", {}), records.get("infer", {})
    held = ingest.get("quarantined", 0) + infer.get("quarantined", 0)
    values = {
        "job": workspace.job.name,
        "survey": workspace.survey.name,
        "created": outcome.created,
        "sky": sky_kind(workspace),
        "gaps": infer.get("gaps", 0),
        "rows": {
            "in": ingest.get("rows_in", infer.get("rows_in")),
            "out": infer.get("rows_out"),
            "quarantined": held,
            "duplicates": ingest.get("duplicates", 0),
            "few_bands": infer.get("few_bands"),
            "reasons": {line.reason: line.rows for line in _quarantine(records)},
        },
        # of the sample that also decided when to stop: better than on a test set
        "validation": records.get("train", {}).get("validation"),
        "seconds": {stage: record["seconds"] for stage, record in records.items()},
        "fingerprints": {
            stage: record["fingerprint"] for stage, record in records.items() if "fingerprint" in record
        },
        "versions": versions(),
        "class_mix": None
        if mixes is None
        else {"learnt": mixes.learnt, "sky": mixes.sky, "error": mixes.error},
        "warnings": [
            *product_warnings(outcome.products, findings),
            *run_warnings(sky_kind(workspace), records, findings, mock_kind(workspace)),
        ],
    }
    for product in outcome.products:
        for key, value in product.summary(findings.found[product.name], findings).items():
            values[key] = _joined(key, values[key], value) if key in values else value
    return without_undefined(values)


def _joined(key: str, one: Any, other: Any) -> dict[str, Any]:
    """Return what two products say under the same key of the summary."""
    if not isinstance(one, dict) or not isinstance(other, dict) or set(one) & set(other):
        raise ValueError(f"two products write the same value of summary.json: {key}")
    return one | other
