"""Maintenance of store and machine: verify, check, gc, push, pull, doctor."""
