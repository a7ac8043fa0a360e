"""A number and what is counted, as people write it. Pure."""


def counted(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2,000 files`; `many` where an s is not enough: `3 entries`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
