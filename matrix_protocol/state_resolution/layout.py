"""How a room lies in memory: the fields of the record arrays, and the numbers in them. Needs no numpy.

    EVENTS  one record a state event; its *number* is its place. Auth events come first, so every edge points down
    EDGES   int32[M, 3]: auth event, citing event, next edge to the same auth event. Edges of one event lie together
    IDS     uint8[N, W]: event IDs, for the last tie-break; padded with zeros
    STRINGS one record a string: user IDs, event types and state keys are numbered in one table
    LEVELS  one record a power-levels event, with slices of
    TABLE   int64[T, 2]: (string, level), each slice sorted by string; named levels as (is present, level)
    PAIRS   int64[P]: verified third-party invites, sorted; see `pair`

Kernels don't look at bounds. So `compact.CompactRoom` admits only numbers that lie within these arrays, whatever was in
the store, and `kernels.resolve` refuses states with numbers that don't.

A state is an array of event numbers, by the number of the (type, state key) pair; NOTHING where the state has none.

    SCRATCH_EVENTS, SCRATCH_KEYS   one record an event, or key: what a running resolution knows. Fields are valid if
    their stamp is the resolution's own, so nothing is ever cleared.
"""

from __future__ import annotations

NOTHING = -1

# How much one room may hold, so that every number above fits into its field: an int32, or 26 bits of a stamp.
EVENTS_MAX = 2**26
AUTH_EVENTS_MAX = 10
KEYS_MAX = STRINGS_MAX = 2**28
TABLE_ROWS_MAX = 2**30
TIMESTAMP_MAX = 2**63 - 1

# Keys that every room has, by number.
CREATE_KEY, POWER_LEVELS_KEY, JOIN_RULES_KEY = 0, 1, 2

# What the auth rules tell apart by type; OTHER follows the general rule.
OTHER, CREATE, POWER_LEVELS, JOIN_RULES, MEMBER, THIRD_PARTY_INVITE = range(6)

# Memberships; UNKNOWN is a string that the room version knows nothing about.
LEAVE, JOIN, INVITE, KNOCK, BAN, UNKNOWN = range(6)

# What a join rule means in the room version: nobody can join where it has no meaning.
BY_INVITATION, BY_KNOCK, RESTRICTED, KNOCK_RESTRICTED, PUBLIC, NOBODY = range(6)

NEVER_ALLOWED = 1  # the auth rules refuse it whatever the state
ALWAYS_ALLOWED = 2
REJECTED = 4  # was rejected on receipt: is no auth event of others
POWER_EVENT = 8
FIRST_JOIN = 16  # of the creator, right after the create event
THIRD_PARTY = 32  # an invite with `third_party_invite`
REDACTS_ELSEWHERE = 64  # a state event (!) that needs the redact level: versions 1 and 2
FLAGS_MAX = 127

USERS_DEFAULT, EVENTS_DEFAULT, STATE_DEFAULT, BAN_LEVEL, REDACT_LEVEL, KICK_LEVEL, INVITE_LEVEL = range(7)
NAMED_LEVELS = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")

WITHOUT_POWER_LEVELS = 0
"""The record of LEVELS that holds for a state without a power-levels event."""
INFINITE_LEVEL = 2**62

EVENT_FIELDS = [
    ("kind", "u1"),
    ("membership", "u1"),
    ("join_rule", "u1"),
    ("flags", "u1"),
    ("key", "i4"),
    ("sender", "i4"),
    ("target", "i4"),  # string: whom a member event is about
    ("other", "i4"),  # join: string of the user who authorised it. Third-party invite: key of what it cites
    ("type", "i4"),
    ("levels", "i4"),  # power-levels events: their record
    ("power_levels", "i4"),  # the power-levels event among the auth events
    ("auth_start", "i4"),
    ("auth_end", "i4"),
    ("citing", "i4"),  # the last edge to this event
    ("unused", "i4"),
    ("sender_level", "i8"),  # by the event's own auth events
    ("timestamp", "i8"),
]
EVENT_FORMAT = "=4B11iqq"
EVENT_SIZE = 64
KEY_WORD, LEVELS_WORD, CITING_WORD = 1, 6, 10
"""Where these fields are in a record, seen as int32 words."""

STRING_FIELDS = [("member_key", "i4"), ("is_creator", "i4")]
LEVELS_FIELDS = [
    ("named", "i4"),
    ("users_start", "i4"),
    ("users_end", "i4"),
    ("events_start", "i4"),
    ("events_end", "i4"),
    ("notifications_start", "i4"),
    ("notifications_end", "i4"),
]
SCRATCH_EVENT_FIELDS = [
    ("mask", "i8"),  # the state sets of this pass whose auth chain has the event
    ("mask_stamp", "i4"),
    ("full_stamp", "i4"),  # in the full conflicted set
    ("power_stamp", "i4"),  # in X
    ("local", "i4"),  # place in X; of others, the mainline position
    ("mainline_stamp", "i4"),
    ("mainline", "i4"),
    ("covered", "i4"),  # 2 * stamp + (does an event of the unconflicted state have it in its auth chain?)
    ("unused", "i4"),
]
SCRATCH_KEY_FIELDS = [
    ("mask", "i8"),  # the state sets of this pass that differ from the common state here
    ("mask_stamp", "i4"),
    ("delta_stamp", "i4"),
    ("delta_value", "i4"),  # the unconflicted event, or NOTHING
    ("delta_count", "i4"),  # of the sets that differ; CONFLICTED
    ("state_stamp", "i4"),
    ("state_value", "i4"),  # the resolved event so far
]
CONFLICTED = -1
DIFFERENT = -2  # `delta_value` of sets that differ, while they are counted

# The numbers given to `kernels.resolve` beside the arrays.
EVENT_COUNT, STAMP, STARTS_FROM_EMPTY, ADDS_SUBGRAPH, CHAINS_INCLUDE_EVENT, DIFFERENCE, KEY_COUNT = range(7)
DIFFERENCE_AUTO, DIFFERENCE_LOCAL, DIFFERENCE_SWEEP = range(3)

# What runs back and forth while it works.
CANCEL, PENDING_COUNT, FIRST_PENDING = 0, 1, 2
PENDING_MAX = 1024
WAS_CANCELLED = -1
WAS_UNSOUND = -2

SETS_A_PASS_MAX = 62
"""State sets in one pass of the auth difference, the first set included in each: bits of `mask`."""


def pair(invite: int, issued: int) -> int:
    """The pair of an invite and an `m.room.third_party_invite` event in PAIRS; + 1 if a signature matches."""
    return (invite << 32) | (issued << 1)
