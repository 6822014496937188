"""All columns of a published table, as arrow: what is handed on to a result, and never interpreted."""
