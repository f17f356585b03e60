"""Weeks of a believable instance, made up and written at once: for screenshots, and for who works on the dashboard."""
