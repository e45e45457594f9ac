"""Ingest: ask every source what it shows now, and hand back tidy rows or a plain reason why not.

One adapter per upstream (``reddit``, ``trends``, ``explore``, ``tiktok``, ``trades``), one table of them (``source``),
one loop that turns errors into values (``run``), one HTTP client (``http`` with ``guard``), and the edge where hostile
text, numbers and times are made safe (``clean``). Must not be here: names, scores, the database.
"""
