"""Events: their format, redaction, hashes, signatures, and how they are built."""
