"""The front doors: Snakemake and DVC."""
