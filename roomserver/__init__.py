"""Owns the room shards: every room's DAG, state, timeline, memberships, receipts and typing.

Takes commands (`proto/service_kit/rpc/pb/room_commands.proto`) for the rooms of the
shards that it holds, publishes one fact for each thing that happened
(`facts.proto`: room_event, receipt, typing, forgotten), and answers questions
about rooms (`room_queries.proto`) from its tables (`tables.py`). Reads no facts of
others. `domain.py` is the way in for commands, `queries/` for questions.
"""
