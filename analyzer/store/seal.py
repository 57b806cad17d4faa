"""Secrets at rest: what the store keeps of passwords is encrypted (Fernet: AES-128-CBC and HMAC).

The key lies beside the database in a file only its owner may read, or comes from the operator
(`[analyzer] secrets_key`, such as `env:NAME`), so that a copy of the database alone tells nothing.
Several keys, a line each: the first one seals, all of them open.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

LOG = logging.getLogger(__name__)

MARK = "sealed:"


class Seal:
    """Seals and opens short texts. The key is read, or made, when it is first needed."""

    def __init__(self, file: Path | None = None, keys: Sequence[str] = ()) -> None:
        """`keys` win over `file`; with neither the key lives as long as this object.

        Raises ValueError when one of `keys` is no Fernet key.
        """
        self._file, self._lock = file, threading.Lock()
        self._first = keys[0] if keys else ""
        self._keys = _read(keys) if keys else None

    def __repr__(self) -> str:
        return "Seal(…)"

    def close(self, text: str) -> str:
        """The text as it may be written down; nothing stays nothing."""
        return MARK + self._ring().encrypt(text.encode()).decode() if text else ""

    def open(self, text: str | None) -> str:
        """The text again. One that no key opens is lost: that is logged, and it is empty."""
        if not text or not text.startswith(MARK):
            return text or ""  # written before there were seals
        try:
            return self._ring().decrypt(text.removeprefix(MARK).encode()).decode()
        except InvalidToken:
            LOG.warning(
                "a stored secret cannot be opened: put the old key back into %s, or set it anew",
                self._file or "analyzer.secrets_key",
            )
            return ""

    def renew(self, kept: str | None) -> str:
        """What is kept, under the first key; as it was if no key opens it."""
        text = self.open(kept)
        if not kept or not text:
            return kept or ""
        return kept if self._is_newest(kept) else self.close(text)

    def _is_newest(self, kept: str) -> bool:
        self._ring()
        try:
            Fernet(self._first).decrypt(kept.removeprefix(MARK).encode())
        except InvalidToken:
            return False
        return True

    def _ring(self) -> MultiFernet:
        with self._lock:
            if self._keys is None:
                keys = _lines(self._file) if self._file else [_new()]
                self._keys, self._first = _read(keys), keys[0]
            return self._keys


def _read(keys: Sequence[str]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ValueError(
            "the key of stored secrets is none: it is 32 bytes in URL-safe base64, as "
            "`python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key())'` "
            "makes them"
        ) from None


def _new() -> str:
    return Fernet.generate_key().decode()


def _lines(file: Path) -> list[str]:
    """The keys of the file, which is made if it is not there."""
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if file.stat().st_mode & 0o077:
            LOG.warning("%s could be read by others: its mode is 0600 now", file)
            file.chmod(0o600)
    else:
        with os.fdopen(made, "w", encoding="ascii") as opened:
            opened.write(_new() + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    return [line.strip() for line in file.read_text("ascii").splitlines() if line.strip()]
