"""The endpoints of the Matrix specification 1.19, one a line: read by `api_gateway.coverage`."""
