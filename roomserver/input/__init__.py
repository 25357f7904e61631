"""From a command to facts, one file a step; `steps.py` holds the list."""
