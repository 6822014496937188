"""The command line: ``jpasbatch VERB JOB.toml [--cluster FILE]``.

Flags say where and how, never what: the science is in the job file. Heavy libraries are imported when a verb
runs, so that ``--help`` answers at once.

Exit codes: 0 done; 2 configuration or input is wrong; 3 partitions are quarantined and nothing was published; 4 a gate
holds a new version back, or ``targets check`` found that a list cannot be submitted; 75 interrupted, locked or out of
space, run the same command again; 1 ``status``: a stage is not done, ``templates check``: a class cannot be made.
"""

from __future__ import annotations

import argparse
import errno
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpasbatch.command_line import build_parser
from jpasbatch.compute.interruption import stop_on_signals
from jpasbatch.errors import INTERRUPTED, InputError, JpasbatchError, TryAgainError, disk_is_full, no_space
from jpasbatch.log_lines import say, start_log
from jpasbatch.stages.submit.arguments import run_targets
from jpasbatch.standard_streams import settle_streams

if TYPE_CHECKING:
    from jpasbatch.stages.run.workspace import Workspace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    settle_streams()
    options = build_parser().parse_args(arguments)
    start_log(getattr(options, "log_format", "text"), options.verbose)
    try:
        with stop_on_signals():
            return _run(options)
    except JpasbatchError as error:
        if options.verbose:
            logging.getLogger("jpasbatch").exception("stopped")
        return _stopped(error)
    except OSError as error:
        if options.verbose:
            logging.getLogger("jpasbatch").exception("stopped")
        return _stopped(_refused(error))
    except KeyboardInterrupt:
        again = "interrupted; what is committed is kept: run the same command again to go on"
        return _stopped(TryAgainError(again, INTERRUPTED))


def _refused(error: OSError) -> JpasbatchError:
    """Return what to say of an error of the system: whether the same command can end in another way."""
    if error.errno == errno.ENAMETOOLONG:
        return InputError(f"{error}: the system takes no name as long as that; choose a shorter one")
    if disk_is_full(error):
        return no_space(error)
    if isinstance(error, BrokenPipeError):
        told = "who read what is printed has gone; run the same command again, and let its output be read to the end"
        return TryAgainError(told, INTERRUPTED)
    return TryAgainError(f"the system refused: {error}; repair that and run the same command again")


def _stopped(error: JpasbatchError) -> int:
    """Say what stopped a command, its state first, and return the exit code."""
    say(f"{error.state}: {error}" if error.state else str(error))
    return error.exit_code


def _run(options: argparse.Namespace) -> int:
    """Run the verb that was asked for; its libraries are imported now and not before."""
    return RUN.get(options.verb, _run_stages)(options)


def _run_stages(options: argparse.Namespace) -> int:
    """Run the stages that a verb stands for, or say what they would do."""
    from jpasbatch.job.notify import load_notify
    from jpasbatch.stages.pipeline import demo_job, run_verb
    from jpasbatch.stages.request import Request

    demo = options.verb == "demo"
    request = Request(
        "run" if demo else options.verb,
        demo_job(options.train) if demo else options.job,
        output=options.output or (Path(_demo_folder(options.train)) if demo else None),
        data=options.data,
        cluster_file=options.cluster,
        serial=options.serial,
        allow_gaps=options.allow_gaps,
        sky=getattr(options, "sky", None),
        stress=getattr(options, "stress", False),
    )
    told, as_json = load_notify(options.notify), getattr(options, "json", False)
    if getattr(options, "dry_run", False):
        from jpasbatch.stages.planning import show_plan

        return show_plan(request, as_json)
    return run_verb(request, options.metrics, as_json, told)


def _open_workspace(options: argparse.Namespace, sky: str | None = None) -> Workspace:
    from jpasbatch.stages.pipeline import open_workspace

    return open_workspace(options.job, options.output, options.data, sky=sky)


def _run_status(options: argparse.Namespace) -> int:
    from jpasbatch.stages.state import show_status

    return show_status(options.job, options.output, options.data, options.verify, options.json)


def _run_repair(options: argparse.Namespace) -> int:
    from jpasbatch.job.notify import load_notify
    from jpasbatch.stages.state import repair_job

    return repair_job(
        options.job,
        options.output,
        options.data,
        options.cluster,
        options.serial,
        options.json,
        load_notify(options.notify),
    )


def _run_compare(options: argparse.Namespace) -> int:
    from jpasbatch.stages.pipeline import compare_jobs

    return compare_jobs(
        options.comparison, options.output, options.data, options.cluster, options.serial, options.train
    )


def _run_history(options: argparse.Namespace) -> int:
    from jpasbatch.stages.keep.history import diff_history, show_history

    workspace = _open_workspace(options)
    if options.diff:
        return diff_history(workspace, *options.diff, as_json=options.json)
    if options.last is not None and options.last < 1:
        raise InputError(f"--last {options.last}: allowed is 1 or more")
    return show_history(workspace, options.last, options.json, options.why)


def _run_prune(options: argparse.Namespace) -> int:
    from jpasbatch.stages.keep.prune_command import prune_job

    workspace = _open_workspace(options, options.sky)
    return prune_job(workspace, options.keep_days, options.keep, options.dry_run)


def _run_replicate(options: argparse.Namespace) -> int:
    from jpasbatch.stages.keep.replicate import replicate_job

    return replicate_job(_open_workspace(options), options.location)


def _run_publication(options: argparse.Namespace) -> int:
    """Publish a version, or discard the held one, and tell people how it ended."""
    from jpasbatch.job.notify import load_notify
    from jpasbatch.stages.publish.command import discard_job, publish_job
    from jpasbatch.stages.run.notification import notified

    with notified(load_notify(options.notify), options.verb, options.job) as notice:
        workspace = _open_workspace(options)
        if options.verb == "discard":
            return discard_job(workspace, options.reason, options.json, notice)
        return publish_job(workspace, options.accept, options.version, options.json, notice)


def _run_templates(options: argparse.Namespace) -> int:
    from jpasbatch.mocks.stages.templates import show_templates

    return show_templates(options.folder)


def _run_check(options: argparse.Namespace) -> int:
    from jpasbatch.stages.check.command import check_command

    return check_command(
        options.tables,
        options.survey,
        _cuts(options, duplicates=options.duplicates),
        aperture=options.aperture,
        filter_table=options.filter_table,
        as_json=options.json,
    )


def _demo_folder(train: bool) -> str:
    return "demo-training" if train else "demo"


def _cuts(options: argparse.Namespace, **further: Any) -> Any:
    """Return the quality cuts of a command without a job file."""
    from jpasbatch.photometry.normalisation import QualityCuts

    try:
        return QualityCuts(
            flags=options.flags, mask_flags=options.mask_flags, flagged=options.flagged, **further
        )
    except ValueError as error:
        raise InputError(f"--{str(error).replace('_', '-')}") from None


def _run_classify(options: argparse.Namespace) -> int:
    from jpasbatch.stages.classify.command import classify_command
    from jpasbatch.stages.classify.stage import ClassifyOptions

    how = ClassifyOptions(_cuts(options), options.prefix, options.filter_table, options.overwrite)
    return classify_command(
        options.tables,
        options.committee,
        options.survey,
        options.output,
        how,
        aperture=options.aperture,
        as_json=options.json,
    )


RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "status": _run_status,
    "repair": _run_repair,
    "compare": _run_compare,
    "history": _run_history,
    "prune": _run_prune,
    "replicate": _run_replicate,
    "publish": _run_publication,
    "discard": _run_publication,
    "templates": _run_templates,
    "check": _run_check,
    "classify": _run_classify,
    "targets": run_targets,
}
"""What runs a verb; all others run stages of a job (`_run_stages`)."""
