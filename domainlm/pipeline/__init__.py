"""What is to be built: the table, the graph, slices, stamps, places."""
