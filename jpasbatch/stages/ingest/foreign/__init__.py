"""Stage ``foreign``: what others say of the objects of the catalogue."""
