"""The client-server API: stateless, as many processes as there is load."""
