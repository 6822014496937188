"""Which part of the sky was observed, and how deep."""
