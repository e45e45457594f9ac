"""Real client libraries against the stand-ins."""
