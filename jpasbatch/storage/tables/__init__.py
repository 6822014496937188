"""Tables as surveys publish them: FITS, VOTable, Parquet and CSV."""
