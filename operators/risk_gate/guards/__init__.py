"""Guards, one file each. A guard answers with the position that it allows, in units."""
