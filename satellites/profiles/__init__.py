"""Profiles on their way into rooms: a change of display name or avatar becomes a member event in every joined room."""
