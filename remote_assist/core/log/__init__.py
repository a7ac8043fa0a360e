"""What the log holds: chains, sealed fields, chunks and recordings, proofs, anchors."""
