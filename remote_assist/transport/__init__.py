"""MOVES BYTES: websocket link, resumable streams, SSH over them, and the targets behind one small interface."""
