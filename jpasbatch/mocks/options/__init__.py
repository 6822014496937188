"""The table [mock] of each kind of mock."""
