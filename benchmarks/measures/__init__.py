"""One module for each family of figures. ``measure`` returns its part of results.json: quartiles, not samples."""
