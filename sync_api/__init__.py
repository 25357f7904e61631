"""The sync worker: answers `/sync` from views of rooms and users that it keeps up to date with facts.

Owns nothing: whatever it holds is a cache, and any worker can serve any token.
Reads: facts of room shards (events, receipts, typing, memberships) and user
shards (account data), for the rooms and users of its clients only. Asks the
roomserver and the userserver over gRPC for what it does not hold.
"""
