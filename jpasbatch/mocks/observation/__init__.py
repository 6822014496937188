"""What observing does to mock objects: where they lie, apertures, appearance, coverage, detection."""
