"""Models: loading, training, merging, evaluation."""
