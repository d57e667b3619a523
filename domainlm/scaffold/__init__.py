"""`domainlm new`: a folder looked at, and the domain file that fits it."""
