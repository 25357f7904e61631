"""`plexus tools`: for operators and developers; none of it needs a server or a configuration.

room_file.py       a room as JSON lines, read as something that anybody may have written
check_room.py      are its events and resolutions right?
room_events.py     … the events, step by step
explain.py         … which rule decided where two resolved states differ
"""
