"""Starts, watches and stops everything the application is made of. Knows processes, nothing of Django or our rows."""
