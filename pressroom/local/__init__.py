"""Pressroom on one machine: the real handlers on an emulator of AWS, one process tree, loopback only.

Empty on purpose: the processes of the runtime import only what each of them needs.
"""
