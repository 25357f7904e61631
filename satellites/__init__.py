"""Small services round the core: each follows facts, or serves something of its own; no send waits for any of them."""
