"""The evaluation report: figures, plots, one HTML page."""
