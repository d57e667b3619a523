"""Formats: from the bytes of a raw file to pieces of text."""
