"""The stages: one module per artifact, each a pure function.

It maps inputs and configuration to files.
"""
