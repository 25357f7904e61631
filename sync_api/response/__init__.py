"""The parts of an answer of /sync, as bytes put together: events are never parsed or serialised again."""
