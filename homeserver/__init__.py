"""The `plexus` command: puts the components together, in one process or in many.

The only package that imports all others. What it owns: the command line
(`cli.py`), the data directory (`data_directory.py`), which component needs what
(`components.py`), how long a process lives (`running.py`), the processes of one
machine (`processes.py`), the routing table (`routes.py`).
"""
