"""Packed token files: rows, document boundaries, loss masks."""
