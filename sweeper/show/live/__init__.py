"""The live table: what it shows (`model`), as lines (`frame`), on a terminal (`terminal`), told of a run (`table`)."""
