"""Locust scenarios as a provider would run them; docs/load-tests.md says how."""
