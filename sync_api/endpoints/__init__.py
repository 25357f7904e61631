"""Endpoints of the sync worker, one file for each file of the specification."""
