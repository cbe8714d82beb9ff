"""Programs for those who maintain sweeper; no part of the package."""
