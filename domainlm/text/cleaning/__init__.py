"""Cleaning: from documents to clean ones, every refusal with its rule."""
