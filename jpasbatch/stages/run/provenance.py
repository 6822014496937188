"""Where what is published comes from, as W3C PROV in its JSON form (member submission of 24 April 2013).

Names of attributes and roles follow the Provenance Data Model 1.0 of the IVOA (recommendation of 11 April 2020):
entities are inputs, versions and published files; activities are the stages that made them; agents are the software
and who ran it. Records of the stages and the history of runs tell all of it: the same results have the same document.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from jpasbatch.stages.run.history import RunOfStages, read_history
from jpasbatch.storage.stores.files import write_atomically
from jpasbatch.storage.stores.ledger import fingerprint

FILE = "provenance.json"

PREFIXES = {
    "jpasbatch": "urn:jpasbatch:",
    "voprov": "http://www.ivoa.net/documents/ProvenanceDM/index.html#",
}

DIGITS = 16
"""Of a hash, in a name."""

Record = Mapping[str, Any]
Content = dict[str, Any]


@dataclass
class _Document:
    """A document that grows; relations have numbers, as their names do not matter."""

    parts: dict[str, dict[str, Content]] = field(default_factory=dict)

    def add(self, kind: str, name: str, **attributes: Any) -> str:
        """Add an entity, activity or agent, and return its name."""
        told = {key: value for key, value in attributes.items() if value is not None}
        self.parts.setdefault(kind, {})[name] = {_qualified(key): value for key, value in told.items()}
        return name

    def relate(self, kind: str, role: str | None = None, **ends: str) -> None:
        """Add a relation."""
        relations = self.parts.setdefault(kind, {})
        told = {_qualified(key): name for key, name in ends.items()}
        number = 1 + sum(len(self.parts[one]) for one in self.parts if one in RELATIONS)
        relations[f"_:r{number}"] = told | ({} if role is None else {"prov:role": role})


RELATIONS = ("used", "wasGeneratedBy", "wasAssociatedWith", "wasAttributedTo", "wasDerivedFrom")


def _qualified(key: str) -> str:
    """Return an attribute with its prefix: ``voprov_name`` is ``voprov:name``, ``entity`` is ``prov:entity``."""
    prefix, _, rest = key.partition("_")
    return f"{prefix}:{rest}" if prefix in PREFIXES else f"prov:{key}"


def provenance(job: str, records: Mapping[str, Record], makers: Mapping[str, Record]) -> Content:
    """Return the provenance of what a job published.

    Parameters
    ----------
    job : str
        Its name.
    records : mapping of str to mapping
        Of the stages that finished, in the order in which they run.
    makers : mapping of str to mapping
        What the history tells of the run that last ran each stage; older results have none.

    Returns
    -------
    dict
        JSON-able.
    """
    document = _Document()
    _add_configuration(document, job, records)
    known: dict[str, str] = {}
    for stage, record in records.items():
        activity = _add_activity(document, stage, record)
        for role, name in _inputs(document, stage, record, known):
            document.relate("used", role, activity=activity, entity=name)
        agent = _add_agents(document, activity, makers.get(stage))
        made = list(_outputs(document, stage, record))
        for role, name in made:
            document.relate("wasGeneratedBy", role, entity=name, activity=activity)
            if agent is not None:
                document.relate("wasAttributedTo", "creator", entity=name, agent=agent)
        known |= dict(made)
    return {"prefix": PREFIXES, **document.parts}


def _add_configuration(document: _Document, job: str, records: Mapping[str, Record]) -> None:
    """Add what the job file asked of each stage, by the hash that its record has."""
    for stage, record in records.items():
        document.add(
            "entity",
            _name("options", record["options"]),
            type="voprov:ConfigFile",
            voprov_name=f"what the job '{job}' asks of {stage}",
            jpasbatch_sha256=record["options"],
        )


def _add_activity(document: _Document, stage: str, record: Record) -> str:
    end = datetime.fromisoformat(record["finished"])
    start = end - timedelta(seconds=record["seconds"])
    algorithms = record.get("algorithms", {})
    activity = document.add(
        "activity",
        _name(stage, record["fingerprint"]),
        startTime=start.isoformat(timespec="milliseconds"),
        endTime=end.isoformat(timespec="milliseconds"),
        voprov_name=stage,
        jpasbatch_fingerprint=record["fingerprint"],
        jpasbatch_partitions=record.get("partitions"),
        jpasbatch_algorithms=", ".join(f"{name} {number}" for name, number in sorted(algorithms.items()))
        or None,
    )
    document.relate("used", "configuration", activity=activity, entity=_name("options", record["options"]))
    return activity


def _add_agents(document: _Document, activity: str, run: Record | None) -> str | None:
    """Add who ran a stage, with which software, and return the first of these."""
    if run is None:
        return None
    software = document.add(
        "agent",
        _name("software", run["version"], whole=True),
        type="prov:SoftwareAgent",
        voprov_name=f"jpasbatch {run['version']}",
    )
    user = document.add(
        "agent",
        _name("user", f"{run['user']}@{run['host']}", whole=True),
        type="prov:Person",
        voprov_name=run["user"],
        jpasbatch_host=run["host"],
    )
    document.relate("wasAssociatedWith", "software", activity=activity, agent=software)
    document.relate("wasAssociatedWith", "operator", activity=activity, agent=user)
    return user


MADE_FROM = {
    "ingest": ("tables",),
    "foreign": ("photometry",),
    "evaluate": ("committee",),
    "infer": ("photometry", "committee"),
    "combine": ("predictions", "foreign"),
    "correct": ("predictions", "committee"),
    "summarise": ("photometry", "predictions", "posteriors"),
}
"""Roles of what a stage takes of those before it. Prefixes: ``foreign`` are all tables of others."""

VERSIONS = {
    "fetch": {"tables": "tables"},
    "ingest": {"catalogue": "photometry"},
    "train": {"committee": "committee"},
    "infer": {"predictions": "predictions"},
    "combine": {"combined": "combined"},
    "correct": {"posteriors": "posteriors", "prior": "class shares"},
}
"""Keys of the record of a stage that name versions, and the roles of these."""


def _inputs(
    document: _Document, stage: str, record: Record, known: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    """Yield what a stage used: files from outside, and what earlier stages made."""
    if isinstance(files := record.get("inputs"), Mapping):
        for name, digest in files.items():
            yield "table", _add_file(document, name, digest)
    for wanted in MADE_FROM.get(stage, ()):
        for role, name in known.items():
            if role == wanted or role.startswith(f"{wanted} "):
                yield role, name
    if stage in ("infer", "evaluate") and "committee" not in known and "committee" in record:
        yield "committee", _add_version(document, record["committee"], "committee")  # trained elsewhere
    if stage == "correct" and "validation" in record:
        for name, digest in record["validation"]["tables"].items():
            yield f"labelled objects {name}", _add_file(document, name, digest)
    if stage == "infer" and "redshifts" in record:
        yield "redshift committee", _add_version(document, record["redshifts"]["committee"], "committee")


def _outputs(document: _Document, stage: str, record: Record) -> Iterable[tuple[str, str]]:
    """Yield what a stage made."""
    for key, role in VERSIONS.get(stage, {}).items():
        if isinstance(record.get(key), str):
            yield role, _add_version(document, record[key], role)
    if stage == "foreign":
        for name, table in record["tables"].items():
            yield f"foreign {name}", _add_version(document, table["extension"], "table of others")
    if isinstance(files := record.get("files"), Mapping):
        for name, digest in files.items():
            yield name, _add_file(document, name, digest)


def _add_version(document: _Document, place: str, kind: str) -> str:
    """Add a version, which is immutable and has its fingerprint in its name; no path of the machine is told."""
    version = PurePosixPath(place).name
    if version == "prior.json":  # lies in the folder that has its fingerprint
        version = f"shares-{PurePosixPath(place).parent.name}"
    return document.add(
        "entity",
        _name("version", version, whole=True),
        type="voprov:DatasetEntity",
        voprov_name=version,
        voprov_comment=kind,
    )


def _add_file(document: _Document, name: str, digest: str) -> str:
    return document.add(
        "entity",
        _name("file", f"{name} {digest}", whole=True),  # two names of the same bytes are two entities
        type="voprov:DatasetEntity",
        voprov_name=name,
        jpasbatch_sha256=digest,
    )


def _name(kind: str, identity: str, whole: bool = False) -> str:
    """Return a qualified name; an identity with letters that names must not have is replaced by its hash."""
    plain = all(one.isascii() and (one.isalnum() or one in "-_.") for one in identity)
    if whole and plain:
        return f"jpasbatch:{kind}-{identity}"
    return f"jpasbatch:{kind}-{(fingerprint(of=identity) if whole else identity)[:DIGITS]}"


def makers_of(runs: Sequence[Record]) -> dict[str, Record]:
    """Return, for each stage, the last run that ran it; runs are given with the oldest first."""
    return {
        stage: run for run in runs for stage, result in run.get("results", {}).items() if result.get("ran")
    }


def write_provenance(run: RunOfStages, order: Sequence[str]) -> Path | None:
    """Write the provenance of what the job has published, unless nothing was computed since it was written.

    Parameters
    ----------
    run : RunOfStages
        Whose stages are all done.
    order : sequence of str
        All stages, as they run.

    Returns
    -------
    Path or None
        None where nothing was written.
    """
    workspace = run.workspace
    path = workspace.folder / FILE
    if path.is_file() and not any(result.get("ran") for result in run.stages.values()):
        return None
    found = {stage: workspace.record(stage) for stage in order}
    records = {stage: record for stage, record in found.items() if record is not None}
    makers = makers_of([*read_history(workspace.folder), {**run.told, "results": run.stages}])
    text = json.dumps(provenance(workspace.job.name, records, makers), indent=1, sort_keys=True) + "\n"
    if path.is_file() and path.read_bytes() == text.encode():
        return None
    write_atomically(path, text.encode())
    return path
