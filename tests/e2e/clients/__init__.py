"""Graders' clients that behave as the known ones do, written from what is known of them, not copied.

Each has `work()`: grade what the queue has, until it says that it is empty, and return how many results it got rid of.
"""
