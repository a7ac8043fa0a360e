"""What would be read on a machine, shown before anything is: every command and file, size and time."""

from dataclasses import dataclass
from functools import cached_property

from remote_assist.core.catalog.estimates import Estimate


@dataclass(frozen=True, slots=True)
class PreviewItem:
    """One collector: what it is, how sensitive, and every command (`$ …`) and file."""

    collector: str
    title: str
    sensitivity: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """Everything any bundle reads here. `first`: what a first look takes, `whole`: what everything takes."""

    items: tuple[PreviewItem, ...]
    first: Estimate
    whole: Estimate

    @cached_property
    def reads(self) -> int:
        """How many commands and files there are."""
        return sum(len(item.reads) for item in self.items)
