"""The folder of one job: where each stage reads and writes, and what each stage recorded.

Layout below the output folder::

    tables/             what was fetched from a TAP service: a link to the current version
    sky/                the published HATS collection: photometry, its margin, predictions
    committee/          trained committees, each an immutable folder, and a pointer to the current one
    evaluation/         scores of the committee on test samples: tables, report
    targets/            target catalogues
    report.html  summary.json
    report/             the numbers of the figures of the page
    quarantine/         rows that were refused, with their reasons (Parquet)
    work/<stage>.json   the record of each finished stage
    work/sources/       of each input file: who its rows are, and what became of them
    work/<stage>/<fingerprint>/   ledger and staging of a run; another fingerprint never looks here
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jpasbatch.algorithms import raised
from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.photometry.survey import CurveFiles, Survey
from jpasbatch.products.registry import product_tables
from jpasbatch.stages.run.changes import named_parts
from jpasbatch.stages.run.seals import damaged_seals, read_seals, seal_stage
from jpasbatch.storage.stores.files import Lease, write_atomically
from jpasbatch.storage.stores.ledger import fingerprint, without_undefined
from jpasbatch.storage.stores.seals import Fault, find_faults

log = logging.getLogger(__name__)

SHORT = 12
SOURCES = "work/sources"
"""Tables of the rows of each input file, relative to the output folder; the record of ``ingest`` names them."""
TOLD = 5
"""Damaged files that a log names."""

OnFile = Callable[[int], None]

MOCK = {"mock"}
FETCH = {"fetch"}
INGEST = MOCK | FETCH | {"catalogue"}
LEARNING = {
    "classes",
    "features",
    "samples",
    "model",
    "training",
    "loss",
    "stop",
    "augmentation",
    "calibration",
    "decision",
    "committee",
}
TRAIN = MOCK | LEARNING | {"catalogue", "seed"}
INFER = {"inference", "redshifts"}
READS = {
    "fetch": FETCH,
    "mock": MOCK,
    "ingest": INGEST,
    "foreign": INGEST | {"foreign", "classes"},
    "inspect": INGEST,
    "train": TRAIN,
    "evaluate": INGEST | TRAIN | {"name", "title", "inference", "evaluation"},
    "infer": INGEST | TRAIN | INFER,
    "combine": INGEST | TRAIN | INFER | {"name", "title", "foreign", "combination"},
    "correct": INGEST | TRAIN | INFER | {"prior"},
    "summarise": INGEST
    | TRAIN
    | INFER
    | {"prior", "name", "title"}
    | {table.name for table in product_tables()},
}
"""Tables of the job file on which a stage depends, by itself or through an earlier one."""


UNREAD = {
    "mock": ("gaps",),
    "ingest": ("gaps", "curves"),
    "inspect": ("gaps", "curves"),
    "train": ("gaps", "curves"),
    "evaluate": ("curves",),
    "infer": ("gaps", "curves"),
    "correct": ("gaps", "curves"),
    "summarise": ("gaps", "curves"),
}
"""Fields of a survey that a stage does not read. Training reads the patterns of gaps where the job opens gaps."""

SURVEY_TEXT = "survey_text"
"""Key of a record: the hash of what of the survey belongs to the stage's fingerprint. Older versions lack it."""

LEFT_OUT: dict[str, Any] = {"gaps": (), "curves": CurveFiles()}
"""What stands for fields that are not read: their defaults, as in a survey file that lacks them."""


@dataclass(frozen=True)
class Workspace:
    """One job, its survey and its output folder (created by `prepare`)."""

    job: Job
    survey: Survey
    folder: Path
    allow_gaps: bool = False
    incremental: bool = False
    location: str | None = None
    """Of the collection, where it is in an object store (see `jpasbatch.stages.run.site`)."""
    stress: bool = False
    """Whether ``evaluate`` makes the stress table although the job file does not ask for it."""
    distrusted: dict[str, Sequence[Fault]] = field(default_factory=dict, compare=False, repr=False)
    """Faults that were found before, by stage: it runs again, although a look sees nothing. Empty for one that did."""
    settled: frozenset[str] = frozenset()
    """Stages that a plan found up to date: a run would record for them the options of the job as it is."""
    used: dict[str, set[str]] = field(default_factory=dict, compare=False, repr=False)
    """Names of the run folders that each stage used; its record names them, so that `prune` leaves them."""
    measured: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict, compare=False, repr=False)
    """How fast tasks were, by stage and title of the tasks; its record keeps it, for plans."""
    damaged: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
    """Published files that were found damaged where a stage would otherwise have been up to date; for the history."""

    @property
    def sky(self) -> Path:
        """The published collection."""
        return self.folder / "sky"

    @property
    def committees(self) -> Path:
        """Trained committees."""
        return self.folder / "committee"

    @property
    def quarantine(self) -> Path:
        """Refused rows, with their reasons."""
        return self.folder / "quarantine"

    def prepare(self) -> Lease:
        """Create the output folder and return the lease that a writing run holds.

        Raises
        ------
        InputError
            When the folder cannot be created or written.
        """
        try:
            (self.folder / "work").mkdir(parents=True, exist_ok=True)
            (self.folder / "work" / "lease").touch()
        except OSError as error:
            raise InputError(
                f"cannot write to the output folder {self.folder} ({error.strerror}); name another with --output"
            ) from error
        return Lease(self.folder / "work" / "lease")

    def run_folder(self, stage: str, identity: str) -> Path:
        """Return (and create) the folder of one run of a stage."""
        path = self.folder / "work" / stage / identity[:SHORT]
        self.used.setdefault(stage, set()).add(path.name)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def record(self, stage: str) -> dict[str, Any] | None:
        """Return what a stage recorded when it last finished, or None.

        Raises
        ------
        InputError
            When the record is damaged.
        """
        path = self.folder / "work" / f"{stage}.json"
        if not path.is_file():
            return None
        try:
            record = json.loads(path.read_bytes())
        except ValueError:
            record = None
        if not isinstance(record, dict) or not {"stage", "fingerprint", "seconds", "finished"} <= set(record):
            raise InputError(
                f"{path}: the record of stage '{stage}' is damaged; delete that file and run the stage again"
            )
        return record

    def options(self, stage: str) -> str:
        """Return the fingerprint of what a stage reads of the job file and of the survey."""
        job = self.job.model_dump(mode="json", include=READS[stage])
        return fingerprint(job=without_undefined(job), survey=self.survey_text(stage))

    def survey_text(self, stage: str) -> str:
        """Return the part of the survey that belongs to the fingerprint of a stage.

        What the stage does not read is left out (`UNREAD`), so that a survey file may gain patterns of gaps, say, and
        nothing is classified again. Older versions left nothing out: what they made of the survey as it is stands, and
        goes on standing until the survey changes for the first time.
        """
        whole, record = repr(self.survey), self.record(stage)
        if record is not None:
            known = record.get(SURVEY_TEXT, record.get("parts", {}).get("survey"))
            if known in (None, fingerprint(part=whole)):
                return whole
        unread = set(UNREAD.get(stage, ()))
        if stage == "train" and self.job.augmentation.gaps:
            unread.discard("gaps")
        return repr(replace(self.survey, **{name: LEFT_OUT[name] for name in unread}))

    def is_current(self, stage: str, record: dict[str, Any]) -> bool:
        """Return whether a stage finished with what the job file says now."""
        return record.get("options") == self.options(stage)

    def require(self, stage: str) -> dict[str, Any]:
        """Return the record of a stage that must have run before, with the job file as it is.

        Raises
        ------
        InputError
            When it has not.
        """
        record = self.record(stage)
        if record is None:
            raise InputError(
                f"{self.folder} holds no finished '{stage}' yet; run `jpasbatch {stage} JOB.toml` (or `run`) first"
            )
        if stage not in self.settled and not self.is_current(stage, record):
            raise InputError(
                f"'{stage}' last ran with other options than the job file has now; run `jpasbatch {stage} JOB.toml` "
                "(or `run`) again"
            )
        return record

    def unchanged(
        self, stage: str, identity: str, parts: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Return the record of a stage when it already finished for this fingerprint, or None.

        Options that changed without changing the fingerprint (those of `READS` are the tables that a stage might
        read, its fingerprint holds what it did read) are recorded, or later stages would ask for another run. So are
        the parts of the fingerprint where an older version recorded none.
        """
        record = self.record(stage)
        if record is None:
            return None
        if record["fingerprint"] != identity:
            for reason in raised(record.get("algorithms", {})):
                log.info("%s: not up to date: %s", stage, reason)
            return None
        if faults := self.faults(stage):
            for fault in faults[:TOLD]:
                log.warning("%s: damaged: %s %s", stage, *fault)
            log.warning("%s: %d published files are damaged; it runs again", stage, len(faults))
            self.damaged[stage] = len(faults)
            return None
        log.info("%s: up to date (%s)", stage, identity[:SHORT])
        untold = parts is not None and "ingredients" not in record
        if untold or not self.is_current(stage, record) or SURVEY_TEXT not in record:
            record["options"] = self.options(stage)
            record[SURVEY_TEXT] = fingerprint(part=self.survey_text(stage))
            record |= {} if parts is None else named_parts(parts)
            self._write(stage, record)
        return record

    def faults(self, stage: str, thorough: bool = False, on_file: OnFile | None = None) -> list[Fault]:
        """Return the published files of a stage that are no longer as they were published.

        Parameters
        ----------
        stage : str
        thorough : bool
            Whether every byte is hashed (see `jpasbatch.storage.stores.seals`).
        on_file : callable, optional
            Called with the size of each file.
        """
        record = self.record(stage)
        if record is None:
            return []
        try:
            seals = read_seals(self.folder, stage, record)
        except InputError:
            return [damaged_seals(self.folder, stage)]
        if self.location:  # the collection lies elsewhere
            seals = {name: seal for name, seal in (seals or {}).items() if not name.startswith("sky/")}
        known = list(self.distrusted.get(stage, ()))
        return known or find_faults(self.folder, seals or {}, thorough, on_file)

    def finish(self, stage: str, identity: str, seconds: float, content: dict[str, Any]) -> dict[str, Any]:
        """Record that a stage finished; the last thing that it does."""
        record = without_undefined(
            {
                "stage": stage,
                "fingerprint": identity,
                "options": self.options(stage),
                SURVEY_TEXT: fingerprint(part=self.survey_text(stage)),
                "runs": sorted(self.used.get(stage, ())),
                "seconds": round(seconds, 2),
                "measured": {
                    **(self.record(stage) or {}).get("measured", {}),
                    **self.measured.get(stage, {}),
                },
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                **content,
            }
        )
        self._write(stage, record)
        seal_stage(self.folder, stage, record)
        self.distrusted.pop(stage, None)
        log.info("%s: finished in %.1f s", stage, seconds)
        return record

    def _write(self, stage: str, record: dict[str, Any]) -> None:
        text = json.dumps(record, indent=1, sort_keys=True) + "\n"
        write_atomically(self.folder / "work" / f"{stage}.json", text.encode())


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Yield a list that holds, after the block, its wall-clock seconds."""
    elapsed: list[float] = []
    start = time.monotonic()
    try:
        yield elapsed
    finally:
        elapsed.append(time.monotonic() - start)
