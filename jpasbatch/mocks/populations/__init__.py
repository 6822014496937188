"""How many objects there are of each class, at which magnitude and redshift."""
