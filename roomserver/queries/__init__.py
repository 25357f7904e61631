"""Answers to questions about rooms, read from the tables alone."""
