"""Search: full text over messages, names and topics, and the directory of users.

    documents.py    fact -> what can be found (or no longer)
    index.py        what every index can do; sqlite_index.py and table_index.py are the two that we ship
    message_work.py follows room shards and keeps the index
    directory.py    follows user shards and keeps the directory; users.py answers from it
    queries.py      the questions of others

Only this component knows the indexes; what of the found somebody may see is the roomserver's to say.
"""
