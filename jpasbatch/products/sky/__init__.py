"""Maps of the sky."""
