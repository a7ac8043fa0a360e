"""The binary encoding inside SSH keys, certificates and signatures (RFC 4251 section 5), read strictly.

Rule: nothing here knows what the fields mean; whatever does not fit raises ValueError, for the caller to name.
"""


class WireReader:
    """Takes fields off the front of `raw`; every length is checked against what is left."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._position = 0

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._position

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self._position + count
        if end > len(self._raw):
            raise ValueError("a field is longer than the data")
        piece = self._raw[self._position : end]
        self._position = end
        return piece

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def string(self, *, max_bytes: int = 64 << 10) -> bytes:
        """A field that carries its length."""
        length = self.u32()
        if length > max_bytes:
            raise ValueError(f"a field of {length} bytes exceeds the limit of {max_bytes}")
        return self.take(length)

    def positive_mpint(self, *, max_bytes: int = 2048) -> int:
        """A positive integer in its shortest form; anything else is refused."""
        raw = self.string(max_bytes=max_bytes)
        value = int.from_bytes(raw, "big")
        if value == 0 or mpint(value) != string(raw):
            raise ValueError("a number that is not positive or not in its shortest form")
        return value

    def end(self) -> None:
        """Refuse bytes after the last field."""
        if self._position != len(self._raw):
            raise ValueError("there are bytes after the last field")


def string(raw: bytes) -> bytes:
    """A length-prefixed field."""
    return len(raw).to_bytes(4, "big") + raw


def mpint(value: int) -> bytes:
    """A positive integer as SSH writes it: shortest form, a zero byte in front of a set top bit."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))
