"""Run the command line with ``python -m jpasbatch``."""

import sys

from jpasbatch.cli import main

if __name__ == "__main__":
    sys.exit(main())
