"""One module per artifact; each is a pure function from inputs and configuration to files."""
