"""The pipeline as Snakemake and DVC run it."""
