"""What all stages share: the folder of a run, its commits, its progress."""
