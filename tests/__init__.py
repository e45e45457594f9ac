"""Tests; a package, so that they can share the stand-ins."""
