"""Command ``check``: all that is wrong with tables, before anything is imported."""
