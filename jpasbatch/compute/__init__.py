"""The only room that knows Dask."""
