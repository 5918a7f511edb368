"""The cloud, one construct a file."""
