"""What the relay has promised so far in one session, so that it cannot promise two different things."""

from remote_assist.audit.journal_files import line_of
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import record_hash
from remote_assist.errors import VerificationError


class Acknowledged:
    """What the relay has said so far: per seq its index and words, so that it cannot say two things."""

    def __init__(self) -> None:
        self._indexes: dict[int, int] = {}
        self._digests: dict[int, str] = {}

    def check(self, acknowledgement: Acknowledgement, where: str) -> bool:
        """Whether exactly this was said before. Raises VerificationError when it contradicts what was."""
        seq, index = acknowledgement.seq, acknowledgement.index
        if seq in self._digests:
            if self._digests[seq] != _digest(acknowledgement):
                raise VerificationError(f"{where}: the relay acknowledged it twice, differently", where=where)
            return True
        before, after = self._indexes.get(seq - 1), self._indexes.get(seq + 1)
        if (before is not None and index <= before) or (after is not None and index >= after):
            raise VerificationError(f"{where}: the relay's index {index} does not rise with the records", where=where)
        return False

    def add(self, acknowledgement: Acknowledgement) -> None:
        """Remember one that was verified."""
        self._indexes[acknowledgement.seq] = acknowledgement.index
        self._digests[acknowledgement.seq] = _digest(acknowledgement)


def _digest(acknowledgement: Acknowledgement) -> str:
    return record_hash(line_of(acknowledgement))
