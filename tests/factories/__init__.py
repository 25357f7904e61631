"""Users, rooms and signed events for pure tests: `Room(creator=user("alice")).join(user("bob"))`."""

from tests.factories.rooms import NotAllowed, Room
from tests.factories.users import User, signing_key_of, user

__all__ = ["NotAllowed", "Room", "User", "signing_key_of", "user"]
