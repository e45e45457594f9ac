"""Names: one canonical form, matching, candidates, the catalogue."""
