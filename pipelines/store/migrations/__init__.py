"""The schema's revisions, run by ``pipelines.store.migrate``."""
