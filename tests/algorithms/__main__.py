"""Keep the numbers of the algorithms: ``python -m tests.algorithms VERB``, or ``make bless``.

``check`` names the algorithms whose code changed, in seconds. ``bless`` runs the golden cases and keeps the number of
each algorithm whose results are the same. ``raise NAME... "what changed"`` raises numbers, and blesses the others.
``record`` takes code and results as they are: for a golden case that was changed, and for nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from jpasbatch.algorithms import load_algorithms
from tests.algorithms.blessing import bless, write
from tests.algorithms.check import changed_code, closures, complaint
from tests.algorithms.source import Source


def main() -> int:
    """Run one verb."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.algorithms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("check", "bless", "record"):
        verbs.add_parser(verb)
    raising = verbs.add_parser("raise")
    raising.add_argument("names", nargs="+", choices=sorted(load_algorithms()), metavar="NAME")
    raising.add_argument("changed", help="one line: what changed")
    options = parser.parse_args()
    algorithms = load_algorithms()
    if options.verb == "check":
        changed = changed_code(closures(Source.read(), algorithms), algorithms)
        print("\n".join(complaint(*one) for one in changed.items()) or "no code of an algorithm changed")
        return 1 if changed else 0
    from tests.algorithms.golden import Runs, golden_results  # TensorFlow and all else

    with tempfile.TemporaryDirectory() as place:
        results = golden_results(Runs(Path(place)))
    if options.verb == "record":
        write(algorithms, algorithms, results)
        return 0
    raised = dict.fromkeys(options.names, options.changed) if options.verb == "raise" else {}
    return bless(algorithms, results, raised, print)


if __name__ == "__main__":
    sys.exit(main())
