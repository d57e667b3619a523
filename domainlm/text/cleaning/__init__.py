"""Cleaning: from documents to clean ones; each rejection names its rule."""
