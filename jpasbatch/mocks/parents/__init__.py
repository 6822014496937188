"""Parents: the observed or modelled spectra from which mock objects descend, with permanent names."""

from jpasbatch.mocks.parents.parents import (
    HELD_OUT,
    SPLITS,
    Parents,
    split_of,
)

__all__ = ["HELD_OUT", "SPLITS", "Parents", "split_of"]
