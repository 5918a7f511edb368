"""Kinds, prompts, prices, and the Claude client."""
