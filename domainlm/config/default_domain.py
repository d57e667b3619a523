"""The name of the default domain.

It is separate from the models, because a build uses it and loads none of them.
"""

DEFAULT_DOMAIN = "medical"
