"""Stage ``fetch``: tables of a survey from a TAP service, tile by tile."""
