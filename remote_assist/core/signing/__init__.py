"""Keys, signatures and signed notes, in the formats of OpenSSH and C2SP."""
