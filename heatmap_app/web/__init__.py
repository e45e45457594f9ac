"""Pages that are lists and documents: rendered on the server, no session, no socket; they print and work without script.

The heatmap and the wall are Panel's (``heatmap_app/pages``); these share their head, tokens and words. One module a page,
each with a ``router``.
"""
