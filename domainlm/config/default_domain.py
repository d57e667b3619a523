"""The name of the default domain, apart from the models: a build knows it and loads none of them."""

DEFAULT_DOMAIN = "medical"
