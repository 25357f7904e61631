"""Presence at a sync worker: what it reports of its users' devices, and what it is told of everybody.

    reports.py   devices that sync here, told to the owners of their users' shards
    table.py     who is what, as far as their owners have told
    spread.py    whose change concerns which of this worker's users

Where no server has presence, none of it is made (`Presence | None`).
"""
