"""The commands of the command line, by purpose; `domainlm/cli.py` joins them."""
