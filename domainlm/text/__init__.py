"""Documents: readers, cleaning, duplicates, splits."""
