"""What the specification says, as data, and tests that compare us with it."""
