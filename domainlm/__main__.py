"""`python -m domainlm` is `domainlm`."""

from domainlm.cli import run

run()
