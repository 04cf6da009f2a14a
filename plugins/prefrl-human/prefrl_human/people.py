"""Names in, personal links out: who may answer, known by tokens of which only hashes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from prefrl.store import Store

UNNAMED = "annotator"  # the one person of a session that names nobody


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Doorkeeper:
    """Says who a token belongs to. Without tokens (one unnamed person on a loopback address) everybody is that person."""

    def __init__(self, store: Store, host: str, people: Sequence[str]) -> None:
        self._store = store
        self.open = is_loopback(host) and not people
        self.names = tuple(people) or (UNNAMED,)

    def invite(self, renew: Sequence[str] = ()) -> dict[str, str | None]:
        """By name, a fresh token for whoever has none yet or is to get another; None for those who have theirs."""
        if self.open:
            return {}
        have = set(self._store.annotators())
        tokens: dict[str, str | None] = {}
        for name in self.names:
            if name not in have:
                tokens[name] = self._store.add_annotator(name)
            else:
                tokens[name] = self._store.renew_token(name) if name in renew else None
        return tokens

    def who(self, token: str | None) -> str | None:
        """The name of whoever holds `token`; None for nobody, a revoked one, or somebody of another session."""
        if self.open:
            return UNNAMED
        name = self._store.annotator(token) if token else None
        return name if name in self.names else None
