"""Raw bytes of sources: listed, indexed, fetched, opened."""
