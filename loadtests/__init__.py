"""Load and speed measurements.

Clients of any Matrix homeserver, which import nothing of Plexus; and
`state_resolution`, which measures `matrix_protocol` itself.
"""
