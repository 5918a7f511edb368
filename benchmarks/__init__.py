"""Measurements that anybody can run again: counts and ratios, never seconds that a machine decides."""
