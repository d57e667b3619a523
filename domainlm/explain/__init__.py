"""Explanations that change nothing: plan, differences, lineage, trace."""
