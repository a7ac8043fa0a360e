"""The service: server, rendezvous and limits (pure), store, login, outbox."""
