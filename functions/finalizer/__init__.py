"""Closes a generation that has nothing open any more, and notifies."""
