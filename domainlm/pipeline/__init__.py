"""The pipeline as data: the stage table, its graph, stamps and slices."""
