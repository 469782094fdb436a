"""Stand-ins for model servers: real sockets, real request fields and quirks, a scripted model."""
