"""Backends over HTTP: model servers that can go on with a message that was begun elsewhere."""
