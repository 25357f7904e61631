"""What a user can make grow, and how far: one table, for every component (docs/limits.md says what happens then).

The rooms' own limits (members, aliases, events) are with the rooms, rates are in the configuration.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

ACCOUNT_DATA_CONTENT_BYTES_MAX: Final = 256 * KIB
"""Of one type, global or of one room. Push rules are bounded in `matrix_protocol.push_rules.changes`."""
ACCOUNT_DATA_TYPE_BYTES_MAX: Final = 255
ACCOUNT_DATA_ENTRIES_MAX: Final = 20_000
"""Of one user: tags and a read marker for each of 10,000 rooms."""
ACCOUNT_DATA_BYTES_MAX: Final = 4 * MIB
"""Of one user, all of it: sync workers hold it in memory while the user is there."""

TAGS_PER_ROOM_MAX: Final = 100
TAG_BYTES_MAX: Final = 255
"""“The name of a tag MUST NOT exceed 255 bytes.”"""
TAG_CONTENT_BYTES_MAX: Final = KIB

FILTER_BYTES_MAX: Final = 64 * KIB
FILTERS_PER_USER_MAX: Final = 200
"""Clients save a handful, the same ones at each start."""

DEVICES_PER_USER_MAX: Final = 2000
"""All of them are held in memory while the user is, and told in one reply. Who has so many forgot to log out."""

TO_DEVICE_CONTENT_BYTES_MAX: Final = 64 * KIB
"""Of one message: what an event may have."""
TO_DEVICE_TYPE_BYTES_MAX: Final = 255
TO_DEVICE_MESSAGES_MAX: Final = 1000
"""Of one request; “*” counts as one."""
TO_DEVICE_EXPANDED_BYTES_MAX: Final = 16 * MIB
"""What one request may write into the inboxes of one shard of users, where “*” stands for many devices."""
TO_DEVICE_INBOX_MESSAGES_MAX: Final = 20_000
"""That wait for one device."""
TO_DEVICE_INBOX_BYTES_MAX: Final = 64 * MIB
TO_DEVICE_AGE_S_MAX: Final = 30 * 86_400

PRESENCE_STATUS_BYTES_MAX: Final = KIB
PRESENCE_ROOM_MEMBERS_MAX: Final = 200
"""In rooms with more joined members nobody is told of the others' presence."""
