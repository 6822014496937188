"""What all pages and figures share: their style and their frame."""
