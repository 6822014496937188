"""What is wrong with a WEAVE target catalogue, whoever wrote it."""
