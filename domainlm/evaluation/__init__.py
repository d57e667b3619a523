"""The measures of the evaluation, and the comparison of models."""
