"""Rooms in memory: compact state, its loading from the tables, and the budget that it lives within."""
