"""The table ``[mock]`` of a job file: its kinds, their checks, and the options that a mock is made with.

Everything below the pipeline sees the table as plain data (`jpasbatch.job.sections.MockTable`), so that a worker
that classifies a survey imports no module of mocks.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import Field

from jpasbatch.errors import InputError
from jpasbatch.job.job import Job, read_job, validate
from jpasbatch.job.sections import MockTable, Section
from jpasbatch.mocks.options.broadband import BroadbandSky
from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.options.spectra import ObservedSpectra
from jpasbatch.mocks.options.templates import TemplateSky

MockOptions = MockSky | ObservedSpectra | TemplateSky | BroadbandSky
AnyMock = Annotated[MockOptions, Field(discriminator="kind")]


class CheckedJob(Job):
    """A job file whose ``[mock]`` is checked with all other tables, so that one message names all mistakes."""

    mock: AnyMock | None = None


class MockFile(Section):
    """The table of a mock under its name, as a job file holds it."""

    mock: AnyMock


def load_checked_job(path: Path, data: Path | None = None) -> Job:
    """Read a job file and check all of its tables, ``[mock]`` too.

    Parameters
    ----------
    path, data : Path
        As for `jpasbatch.job.job.load_job`.

    Returns
    -------
    Job
        Its ``mock`` holds every option, also those that the file leaves to their defaults: two files that mean the
        same mock have the same fingerprints.

    Raises
    ------
    InputError
        As for `jpasbatch.job.job.load_job`, and when ``[mock]`` has a wrong kind, key or value.
    """
    checked: CheckedJob = validate(CheckedJob, read_job(path, data), path)
    content = {name: getattr(checked, name) for name in Job.model_fields}
    content["mock"] = None if checked.mock is None else mock_table(checked.mock)
    return Job.model_construct(_fields_set=checked.model_fields_set, **content)


def mock_table(options: MockOptions) -> MockTable:
    """Return options as the plain table that a job holds, defaults included."""
    return MockTable(**asdict(options))


def required_mock(job: Job) -> MockOptions:
    """Return the options of the mock of a job that must have one.

    Raises
    ------
    InputError
        When it has none, or `mock_options` refuses it.
    """
    options = mock_options(job)
    if options is None:
        raise InputError(f"job '{job.name}' has no [mock] table; add one, or give [catalogue] input")
    return options


def mock_options(job: Job) -> MockOptions | None:
    """Return the options of a job's mock, or None where it has no mock.

    Raises
    ------
    InputError
        When the table has a wrong kind, key or value; `load_checked_job` refuses such a job at once.
    """
    if job.mock is None:
        return None
    file = validate(MockFile, {"mock": job.mock.model_dump(mode="json")}, f"job '{job.name}'")
    return file.mock


def makes_test(job: Job) -> bool:
    """Return whether a job's mock makes a test set, which ``evaluate`` scores the committee on."""
    options = mock_options(job)
    if isinstance(options, BroadbandSky):
        return options.labelled.test > 0
    return isinstance(options, TemplateSky) and options.samples.test > 0
