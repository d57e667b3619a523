"""The commands of the command line, by what they are for. domainlm/cli.py puts them together."""
