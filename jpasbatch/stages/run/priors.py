"""The class shares of a sky, as the stage ``correct`` wrote them."""

from __future__ import annotations

import functools
import json

from jpasbatch.errors import InputError
from jpasbatch.priors.prior import Prior
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import read_object


@functools.lru_cache(maxsize=2)
def read_prior(place: str, key: str) -> Prior:
    """Return the prior in a file; a process reads each once.

    Raises
    ------
    InputError
        When it is damaged.
    """
    try:
        return Prior.from_dict(json.loads(read_object(open_store(place), key)))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{place}/{key}: the class shares are damaged ({error!r}); remove this file"
        ) from None
