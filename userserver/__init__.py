"""The owner of user shards: accounts, tokens, devices, profiles, account data, filters.

Takes the commands of `user_commands.proto` from gateways and operators, writes
facts into the ledgers of its user shards, publishes revoked tokens, and
answers the questions of `user_queries.proto`. Reads no facts of others.
"""
