"""What a finished job says of itself: the content of the report and of ``summary.json``."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import jpasbatch
from jpasbatch.pages.reliability import ReliabilityCurve
from jpasbatch.products.counts import CountSummary, PoissonCount
from jpasbatch.products.report import QuarantineLine, ReportContent, StageLine
from jpasbatch.products.targets.weave import weave_file_name
from jpasbatch.scoring.metrics import scores
from jpasbatch.stages.run.workspace import SHORT, Workspace
from jpasbatch.stages.summarise.tallies import Tallies
from jpasbatch.storage.stores.ledger import without_undefined

BALANCED = 1.5
"""Ratio of the largest to the smallest class up to which a training set counts as balanced."""

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
    found = {"jpasbatch": jpasbatch.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def report_content(
    workspace: Workspace, tallies: Tallies, records: dict[str, dict[str, Any]], created: str, identity: str
) -> ReportContent:
    """Return all that the report shows."""
    job, survey = workspace.job, workspace.survey
    known = tallies.confusion.total().any()
    return ReportContent(
        job=job.title or job.name,
        survey_name=survey.name,
        survey_title=survey.title,
        survey_fingerprint=survey.fingerprint,
        created=created,
        classes=tuple(job.classes),
        magnitude_bins=survey.magnitude_bins,
        reference_band=survey.reference_band,
        mock_title=mock_title(workspace),
        warnings=_warnings(workspace, records),
        **tallies.products.extract(),
        band_wavelengths=survey.wavelengths,
        band_widths=np.array([band.width for band in survey.bands]),
        reliability=_reliability(tallies, tuple(job.classes)) if known else (),
        # the report has true classes in rows, the tally has them in columns as the paper prints them
        confusion=tallies.confusion.extract().transpose(0, 2, 1) if known else None,
        truth_note=_truth_note(workspace, tallies),
        quarantine=_quarantine(records),
        provenance=_provenance(workspace, records, identity),
        stages=tuple(_stage_line(stage, record) for stage, record in records.items()),
    )


def sky_kind(workspace: Workspace) -> str:
    """Return what the catalogue holds: ``"mock"``, ``"spectra"`` (real ones through filters), or ``"survey"``."""
    job = workspace.job
    if job.catalogue.input is not None or job.mock is None:
        return "survey"
    return "spectra" if job.mock.kind == "spectra" else "mock"


MOCK_TITLES = {
    "builtin": "Mock sky: for demonstration, not for science",
    "templates": "Mock sky that descends from a template pack (see mock/realism.html)",
    "broadband": "Mock of modelled galaxies and active nuclei: no observed object is in it",
}


def mock_title(workspace: Workspace) -> str:
    """Return the first line of the banner of a mock sky; empty where the sky is none."""
    if sky_kind(workspace) != "mock" or workspace.job.mock is None:
        return ""
    return MOCK_TITLES[workspace.job.mock.kind]


def _warnings(workspace: Workspace, records: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    found = [*workspace.job.submission.warnings()] if workspace.job.targets else []
    if sky_kind(workspace) == "spectra":
        found.append(
            "Real spectra, seen through the survey's filters; each was tilted to match its published magnitudes where "
            "it has some. Where the committee was trained on the built-in mock sky, this is no independent test: "
            "the quasars of that sky were adjusted by eye against some of these spectra."
        )
    learnt = records.get("infer", {}).get("learnt", {})
    if learnt and max(learnt.values()) < BALANCED * min(learnt.values()):
        found.append(
            "The committee learnt from about as many objects of each class. In a survey galaxies outnumber quasars, "
            "and no prior is applied: probabilities and counts of rare classes come out too high."
        )
    if records.get("infer", {}).get("gaps"):
        found.append(
            f"{records['infer']['gaps']} of {records['infer']['partitions']} partitions could not be classified and "
            "are missing, as was allowed; all of their rows are in quarantine."
        )
    return tuple(found)


TRUTH = {
    "mock": "by construction of the mock sky",
    "spectra": "from visual inspection of the spectra",
    "survey": "from the catalogue",
}


def _truth_note(workspace: Workspace, tallies: Tallies) -> str:
    number = int(tallies.confusion.total().sum())
    outside = number - int(tallies.confusion.extract().sum())
    if not number:
        return ""
    note = f"The true class is known for {number:,} objects, {TRUTH[sky_kind(workspace)]}."
    if outside:
        note += f" {outside:,} of them lie outside the magnitude bins and are in none of the matrices."
    return note


def _reliability(tallies: Tallies, classes: tuple[str, ...]) -> tuple[ReliabilityCurve, ...]:
    found = tallies.reliability.extract()
    return tuple(
        ReliabilityCurve(
            name, found.confidence[j], found.accuracy[j], found.count[j], float(found.ece_by_class[j])
        )
        for j, name in enumerate(classes)
    )


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


def _provenance(workspace: Workspace, records: dict[str, dict[str, Any]], identity: str) -> dict[str, str]:
    fingerprints = {
        f"{stage} fingerprint": record["fingerprint"][:SHORT] for stage, record in records.items()
    }
    places = {
        key: Path(records["infer"][key]).name for key in ("predictions", "committee") if "infer" in records
    }
    return {**versions(), **fingerprints, "summarise fingerprint": identity[:SHORT], **places}


def summary_values(
    workspace: Workspace, tallies: Tallies, records: dict[str, dict[str, Any]], created: str
) -> dict[str, Any]:
    """Return the content of ``summary.json``: rows, counts, scores, targets, seconds, versions."""
    ingest, infer = records.get("ingest", {}), records.get("infer", {})
    held = ingest.get("quarantined", 0) + infer.get("quarantined", 0)
    values = {
        "job": workspace.job.name,
        "survey": workspace.survey.name,
        "created": created,
        "sky": sky_kind(workspace),
        "gaps": infer.get("gaps", 0),
        "rows": {
            "in": ingest.get("rows_in", infer.get("rows_in")),
            "out": infer.get("rows_out"),
            "quarantined": held,
            "reasons": {line.reason: line.rows for line in _quarantine(records)},
        },
        "counts": _counts(tallies.products.counts.extract()),
        "scores": _scores(workspace, tallies),
        # of the sample that also decided when to stop: better than on a test set
        "validation": records.get("train", {}).get("validation"),
        "targets": {
            weave_file_name(one.programme): {
                "number": one.number,
                "expected_right": one.expected,
                "priorities": one.priorities.tolist(),
            }
            for one in (tally.extract() for tally in tallies.products.targets)
        },
        "seconds": {stage: record["seconds"] for stage, record in records.items()},
        "fingerprints": {
            stage: record["fingerprint"] for stage, record in records.items() if "fingerprint" in record
        },
        "versions": versions(),
    }
    return without_undefined(values)


def _counts(counts: CountSummary) -> dict[str, Any]:
    def density(count: PoissonCount) -> dict[str, float]:
        scaled = count.per(counts.area_deg2)
        return {"number": count.value, "per_deg2": scaled.value, "lower": scaled.lower, "upper": scaled.upper}

    return {
        "area_deg2": counts.area_deg2,
        "objects": counts.objects,
        "without_class_star": counts.without_class_star,
        "summed_probability": density(counts.summed),
        "above_threshold": density(counts.above_threshold),
    }


def _scores(workspace: Workspace, tallies: Tallies) -> dict[str, Any] | None:
    total = tallies.confusion.total()
    if not total.any():
        return None
    classes = list(workspace.job.classes)
    bins = [
        f"{low:g} < {workspace.survey.reference_band} <= {high:g}"
        for low, high in workspace.survey.magnitude_bins
    ]
    calibration = tallies.reliability.extract()
    return {
        "objects": int(total.sum()),
        "classes": classes,
        "all": _class_scores(total, classes),
        "bins": {
            name: _class_scores(confusion, classes)
            for name, confusion in zip(bins, tallies.confusion.extract(), strict=True)
        },
        "expected_calibration_error": calibration.ece,
        "expected_calibration_error_by_class": dict(
            zip(classes, calibration.ece_by_class.tolist(), strict=True)
        ),
    }


def _class_scores(confusion: np.ndarray, classes: list[str]) -> dict[str, Any]:
    found = scores(confusion)
    return {
        "weighted_f1": found.weighted_f1,
        "purity": dict(zip(classes, found.purity.tolist(), strict=True)),
        "completeness": dict(zip(classes, found.completeness.tolist(), strict=True)),
        "f1": dict(zip(classes, found.f1.tolist(), strict=True)),
        "confusion_true_by_predicted": confusion.T.tolist(),
    }
