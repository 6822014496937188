"""Open catalogues, read and write their partitions, import and publish: what the other rooms import.

==========================  =========================================================================
module                      what it knows
==========================  =========================================================================
`catalogue_partitions`      one Parquet file: page checksums, encodings, staging
`catalogue_collection`      the folder of versions and its pointer
`catalogue_plan`            what an import is: options, inspected inputs, names
`catalogue_import`          hats-import: Parquet files into a primary catalogue and its margin
`catalogue_margin`          the margin of a version, by hats-import
`catalogue_growth`          which partitions new rows touch
`catalogue_assembly`        staged partitions into a version that is verified
`catalogue_primary`         such a version as primary catalogue
`catalogue_publication`     such a version as extension
`catalogue_mirror`          what tells about a collection in a store, fetched
`catalogue_stored`          such an extension in a store
`catalogue_validation`      hats' strict validation and our own checks
==========================  =========================================================================

hats, hats-import and lsdb are before 1.0 and move in lockstep: only these modules import them, inside
functions, because they take seconds to import and a worker that reads a partition needs none of them.
"""

from jpasbatch.storage.catalogue_collection import STAGING, Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue_growth import GrownPartition, plan_growth
from jpasbatch.storage.catalogue_import import import_tables
from jpasbatch.storage.catalogue_mirror import fetch_collection
from jpasbatch.storage.catalogue_partitions import (
    HEALPIX_COLUMN,
    HEALPIX_ORDER,
    StagedPartition,
    parquet_bytes,
    partition_file,
    read_partition,
    read_stored_partition,
    stage_partition,
    write_partition,
)
from jpasbatch.storage.catalogue_plan import PartitionOptions
from jpasbatch.storage.catalogue_primary import (
    PrimaryOptions,
    catalogue_identity,
    publish_primary,
    published_partitions,
)
from jpasbatch.storage.catalogue_publication import publish_extension
from jpasbatch.storage.catalogue_stored import publish_stored_extension
from jpasbatch.storage.catalogue_validation import pixel_range

__all__ = [
    "HEALPIX_COLUMN",
    "HEALPIX_ORDER",
    "STAGING",
    "Catalogue",
    "GrownPartition",
    "PartitionOptions",
    "PrimaryOptions",
    "StagedPartition",
    "catalogue_identity",
    "current_extension",
    "fetch_collection",
    "import_tables",
    "open_catalogue",
    "parquet_bytes",
    "partition_file",
    "pixel_range",
    "plan_growth",
    "publish_extension",
    "publish_primary",
    "publish_stored_extension",
    "published_partitions",
    "read_partition",
    "read_stored_partition",
    "stage_partition",
    "write_partition",
]
