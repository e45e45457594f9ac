"""``python -m heatmap_app`` is ``heatmap``."""

from heatmap_app.cli import main

main()
