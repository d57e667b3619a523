"""A reproducible build system for domain language models."""
