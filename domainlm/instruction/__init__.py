"""Instruction data: questions and answers."""
