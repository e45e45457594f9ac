"""How well the velocity methods find what is known to be there: marked windows, and bursts laid over a recording.

Pure but for reading files; thresholds are set on the first half of the data and held on the second (docs/methods.md).
"""
