"""The product without a screen: ingest, normalize, discover, score, store.

Must not be here: anything that draws or serves (panel, bokeh, holoviews, fastapi). ``tests/test_architecture.py`` holds this.
"""
