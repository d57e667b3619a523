"""The content of raw files: archives, media types, character sets, file names."""
