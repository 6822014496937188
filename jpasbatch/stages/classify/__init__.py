"""Stage ``classify``: any table that a survey file describes, classified row by row without a job."""
