"""What others say of the same objects: their tables, read into a form of ours."""
