"""The products that there are, and what a job asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jpasbatch.errors import InputError
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.photometry.survey import Survey
from jpasbatch.products.confusion import Confusion
from jpasbatch.products.counts.errors import CountedWithErrors
from jpasbatch.products.counts.number_counts import NumberCounts
from jpasbatch.products.counts.places import CountsByPlace
from jpasbatch.products.counts.product import Counts
from jpasbatch.products.distributions.product import Histograms
from jpasbatch.products.examples.product import Examples
from jpasbatch.products.examples.unusual import Unusual
from jpasbatch.products.expected.product import Expected
from jpasbatch.products.literature.product import Literature
from jpasbatch.products.protocol import JobTable, Product, Setting
from jpasbatch.products.redshifts.product import RedshiftDistribution
from jpasbatch.products.reliability import Reliability
from jpasbatch.products.sky.product import Sky
from jpasbatch.products.subsets import Subsets
from jpasbatch.products.targets.product import Targets

if TYPE_CHECKING:
    from jpasbatch.footprint.completeness import Completeness
    from jpasbatch.footprint.coverage import Coverage
    from jpasbatch.learning.redshifts import RedshiftRanges
    from jpasbatch.priors.prior import Prior

PRODUCTS: tuple[type[Product], ...] = (
    Sky,
    Counts,
    CountedWithErrors,
    NumberCounts,
    CountsByPlace,
    Literature,
    RedshiftDistribution,
    Expected,
    Subsets,
    Unusual,
    Histograms,
    Reliability,
    Confusion,
    Examples,
    Targets,
)
"""All products, in the order of their sections on the page."""


def product_tables() -> tuple[JobTable, ...]:
    """Return the tables of the job file that hold options of products."""
    return tuple(table for product in PRODUCTS for table in product.tables)


@dataclass(frozen=True)
class ProductRequest:
    """What a job asks of the products; it is small, and goes to the workers with every task.

    Attributes
    ----------
    survey : str
        A survey of the package or the path of a survey file.
    classes : mapping of str to ClassDefinition
    seed : int
    tables : mapping
        Each of `product_tables`, by its name.
    corrected : bool
        Whether probabilities are corrected for the class mix of the sky.
    redshifts : RedshiftRanges, optional
        Of the records that are counted, where they have redshifts.
    """

    survey: str
    classes: Mapping[str, ClassDefinition]
    seed: int
    tables: Mapping[str, Any]
    corrected: bool = False
    redshifts: RedshiftRanges | None = None

    def products(
        self,
        survey: Survey,
        prior: Prior | None = None,
        coverage: Coverage | None = None,
        completeness: Completeness | None = None,
        provenance: Mapping[str, str] | None = None,
    ) -> tuple[Product, ...]:
        """Return the products of the job, for the survey that it names and what is known of its sky (`Setting`)."""
        known = (prior, coverage, completeness, provenance or {}, self.redshifts)
        setting = Setting(survey, self.classes, self.seed, self.corrected, *known)
        return tuple(product(setting, product.options_of(self.tables)) for product in PRODUCTS)


def named_files(tables: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that tables of products name, by table and key: "[area] file", "[[literature]] 2 file".

    Parameters
    ----------
    tables : mapping
        Each of `product_tables`, by its name.
    """
    found = {}
    for table in product_tables():
        value = tables[table.name]
        parts = enumerate(value, start=1) if isinstance(value, tuple) else ((0, value),)
        for number, one in parts:
            place = f"[[{table.name}]] {number}" if number else f"[{table.name}]"
            found |= {f"{place} {key}": named for key in table.paths if (named := getattr(one, key))}
    return found


def check_tables(tables: Mapping[str, Any], classes: tuple[str, ...]) -> None:
    """Refuse options that disagree with each other, or name a class that the job does not have.

    Parameters
    ----------
    tables : mapping
        Each of `product_tables`, by its name.
    classes : tuple of str
        Empty in a job without classes, which has no products.

    Raises
    ------
    ValueError
        Naming the key, what was found, and what is allowed.
    """
    for product in PRODUCTS:
        options = product.options_of(tables)
        for key, names in product.named_classes(options) if classes else ():
            unknown = [name for name in names if name not in classes]
            if unknown:
                raise ValueError(
                    f"{key}: '{unknown[0]}' is not a class of this job; allowed: {', '.join(classes)}"
                )


def check_products(products: tuple[Product, ...]) -> None:
    """Refuse options that name classes or magnitudes which the records do not have.

    Raises
    ------
    InputError
        Naming the key, what was found, and what is allowed.
    """
    for product in products:
        survey, classes = product.setting.survey, product.setting.class_names
        for key, role in product.named_roles(product.options):
            if role not in survey.reported_bands:
                allowed = ", ".join(survey.reported_bands) or "none"
                raise InputError(f"{key} = {role!r}: survey {survey.name!r} reports the magnitudes {allowed}")
        for key, names in product.named_classes(product.options):
            for name in names:
                if name not in classes:
                    raise InputError(f"{key} names {name!r}: the classes are {', '.join(classes)}")
        product.check()


def check_files(products: tuple[Product, ...]) -> None:
    """Refuse files that the options of products name and that are wrong.

    Raises
    ------
    InputError
        Naming the key, the file, what was found, and what is allowed.
    """
    for product in products:
        product.check_files()
