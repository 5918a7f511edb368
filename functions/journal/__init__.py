"""Writes the timeline of every job from the changes of its ledger."""
