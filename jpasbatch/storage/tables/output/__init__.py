"""Tables of any columns, written chunk by chunk: FITS, VOTable, Parquet, CSV and ECSV."""
