"""A reproducible build system for domain language models."""

from domainlm.loading import install

install()
