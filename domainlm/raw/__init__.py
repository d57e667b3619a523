"""What a raw file is by its bytes: archives, media types, character sets, file names."""
