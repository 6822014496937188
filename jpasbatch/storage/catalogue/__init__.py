"""HATS catalogues and collections; the only room that knows hats, hats-import and lsdb."""
