"""The tallies of all products as one: what a partition adds to them, and what they say in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.products.accumulation import require_equal
from jpasbatch.products.protocol import Columns, LookUp, Partition, Product


def needed_columns(products: Iterable[Product]) -> Columns:
    """Return the columns that products ask for, each once."""
    asked = [product.columns() for product in products]
    return Columns(
        predictions=tuple(dict.fromkeys(name for one in asked for name in one.predictions)),
        photometry=tuple(dict.fromkeys(name for one in asked for name in one.photometry)),
        truth=any(one.truth for one in asked),
    )


def check_columns(names: Iterable[str], products: Iterable[Product]) -> None:
    """Refuse products that read columns which a catalogue does not have.

    Parameters
    ----------
    names : iterable of str
        Columns of the photometry.
    products : iterable of Product

    Raises
    ------
    InputError
        Naming the first such column, and those that there are.
    """
    there = [name for name in names if not name.startswith("_")]
    missing = [name for name in needed_columns(products).photometry if name not in there]
    if missing:
        raise InputError(
            f"the job reads the column {missing[0]!r}, which neither the predictions nor the catalogue have; the "
            f"catalogue has {', '.join(there)}. Name it in [catalogue] carry, where the tables have it"
        )


@dataclass(frozen=True)
class Tallies:
    """What the products of a job counted in a part of the survey.

    Attributes
    ----------
    products : tuple of Product
    tallies : mapping
        The tally of each product, by its name.
    """

    products: tuple[Product, ...]
    tallies: Mapping[str, Any]

    @classmethod
    def create(cls, products: tuple[Product, ...]) -> Tallies:
        """Return the tallies of no objects."""
        return cls(products, {product.name: product.create() for product in products})

    def add(self, partition: Partition) -> Tallies:
        """Return these tallies with a partition added."""
        return self._each(lambda product, tally: product.add(tally, partition))

    def merge(self, other: Tallies) -> Tallies:
        """Return the tallies of both parts.

        Raises
        ------
        ValueError
            When they are of other products, or of other options.
        """
        mine, others = ([(one.name, one.options) for one in part.products] for part in (self, other))
        require_equal(mine, others, "products")
        return self._each(lambda product, tally: product.merge(tally, other.tallies[product.name]))

    def parts(self) -> dict[str, pa.Table]:
        """Return the tables that products keep of the partition that was added last, by name."""
        return {
            name: table
            for product in self.products
            for name, table in product.parts(self.tallies[product.name]).items()
        }

    def extract(self, look_up: LookUp) -> dict[str, Any]:
        """Return what each product found, by its name."""
        return {
            product.name: product.extract(self.tallies[product.name], look_up) for product in self.products
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the tallies as JSON-able values."""
        return {product.name: product.to_record(self.tallies[product.name]) for product in self.products}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], products: tuple[Product, ...]) -> Tallies:
        """Return the tallies that `to_dict` wrote for the same products."""
        return cls(
            products, {product.name: product.from_record(values[product.name]) for product in products}
        )

    def _each(self, change: Callable[[Product, Any], Any]) -> Tallies:
        changed = {product.name: change(product, self.tallies[product.name]) for product in self.products}
        return Tallies(self.products, changed)
