"""Load and speed measurements: clients of any Matrix homeserver. Imports nothing of Plexus."""
