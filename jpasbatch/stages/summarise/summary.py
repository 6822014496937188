"""What a finished job says of itself: the content of the report and of ``summary.json``."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from jpasbatch.products.protocol import Findings, Product
from jpasbatch.products.report import ReportContent, product_warnings
from jpasbatch.products.sections import Section
from jpasbatch.products.series import series_section
from jpasbatch.stages.run.workspace import SHORT, Workspace
from jpasbatch.stages.summarise.earlier import Earlier
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
    earlier : Earlier
        What the stages before recorded.
    created : str
        ISO date and time.
    """

    workspace: Workspace
    products: tuple[Product, ...]
    findings: Findings
    earlier: Earlier
    created: str


def report_content(outcome: Outcome, identity: str) -> ReportContent:
    """Return all that the report shows; ``identity`` is the fingerprint of the stage."""
    workspace, earlier = outcome.workspace, outcome.earlier
    return ReportContent(
        job=workspace.job.title or workspace.job.name,
        created=outcome.created,
        mock_title=mock_title(workspace),
        products=outcome.products,
        findings=outcome.findings,
        warnings=tuple(_warnings_of(outcome)),
        quarantine=earlier.reasons(),
        provenance=_provenance(earlier, identity),
        stages=earlier.lines(),
        sections=_series(outcome),
    )


def _warnings_of(outcome: Outcome) -> Iterator[str]:
    """Yield what is to be said of the run, on the page and in the summary alike."""
    workspace = outcome.workspace
    mock, validated = mock_kind(workspace), bool(workspace.job.prior.validation)
    return run_warnings(sky_kind(workspace), outcome.earlier.infer, outcome.findings, mock, validated)


def _series(outcome: Outcome) -> tuple[Section, ...]:
    """Return the section of all publications so far, where there are several."""
    before = earlier_publications(outcome.workspace.folder)
    earlier = outcome.earlier
    this = this_publication(outcome.created, earlier.ingest, earlier.infer, headlines(outcome))
    section = series_section([*before, this])
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


def _provenance(earlier: Earlier, identity: str) -> dict[str, str]:
    own = {"summarise fingerprint": identity[:SHORT]}
    return {**versions(), **earlier.fingerprints(), **own, **earlier.versions()}


def table_provenance(workspace: Workspace, earlier: Earlier, identity: str) -> dict[str, str]:
    """Return what the metadata of tables say of the run: the job, what it was made of, and versions."""
    told = {"job": workspace.job.name, **_provenance(earlier, identity)}
    return {key.replace(" ", "_"): value for key, value in told.items()}


def summary_values(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Return the content of ``summary.json``: rows, seconds, versions, and what each product adds.

    Parameters
    ----------
    outcome : Outcome
    seconds : float
        That the stage took.
    """
    workspace, earlier, findings = outcome.workspace, outcome.earlier, outcome.findings
    ingest, infer = earlier.ingest, earlier.infer
    mixes = class_mixes(infer, findings)
    values = {
        "job": workspace.job.name,
        "survey": workspace.survey.name,
        "created": outcome.created,
        "sky": sky_kind(workspace),
        "gaps": infer.gaps if infer else 0,
        "rows": {
            "in": ingest.rows_in if ingest else infer and infer.rows_in,
            "out": infer and infer.rows_out,
            "quarantined": earlier.quarantined,
            "duplicates": (ingest and ingest.duplicates) or 0,
            "few_bands": infer and infer.few_bands,
            "reasons": {line.reason: line.rows for line in earlier.reasons()},
        },
        # of the sample that also decided when to stop: better than on a test set
        "validation": None if earlier.train is None else asdict(earlier.train.validation),
        "seconds": {
            **{stage: record.seconds for stage, record in earlier.records.items()},
            "summarise": round(seconds, 2),
        },
        "fingerprints": {stage: record.fingerprint for stage, record in earlier.records.items()},
        "versions": versions(),
        "class_mix": None
        if mixes is None
        else {"learnt": mixes.learnt, "sky": mixes.sky, "error": mixes.error},
        "warnings": [
            *product_warnings(outcome.products, findings),
            *_warnings_of(outcome),
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
