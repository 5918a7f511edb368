"""Pressroom: what a user installs. The Python client, the ``pressroom`` command, and the local runtime."""
