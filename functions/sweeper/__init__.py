"""Repairs, every minute, what nobody else can finish any more."""
