"""From a score to a decision: gates and persistence. Pure; must not be here: fetching, scoring, screens."""
