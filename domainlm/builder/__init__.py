"""How one artifact is built, and what a build would do."""
