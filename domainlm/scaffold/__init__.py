"""`domainlm new`: the survey of a folder and its domain file."""
