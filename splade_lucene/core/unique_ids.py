"""Which ids are duplicates, exactly and in bounded memory: a set that moves to a file when it grows."""

from __future__ import annotations

import sqlite3

from splade_lucene.errors import SpladeLuceneError

# Ids held in a set, about 110 MB of them; more go to a file.
_IN_MEMORY = 1_000_000
# Of SQLite's page cache.
_CACHE_KIB = 64 * 1024


class UniqueIds:
    """Remembers ids.

    Up to a million are kept in a set. More are kept in a temporary database on disk, which needs some 30 bytes an id in the folder
    that ``TMPDIR`` names and takes microseconds instead of fractions of one for each; it vanishes with the object or the process.

    Example:
        >>> seen = UniqueIds()
        >>> seen.add("d1"), seen.add("d2"), seen.add("d1")
        (True, True, False)
    """

    def __init__(self) -> None:
        self._set: set[str] = set()
        self._file: sqlite3.Connection | None = None
        self._in_file = 0

    def __len__(self) -> int:
        """The number of distinct ids."""
        return len(self._set) + self._in_file

    def add(self, name: str) -> bool:
        """Adds an id.

        Returns:
            Whether it is new.

        Raises:
            SpladeLuceneError: the temporary folder is full.
        """
        if self._file is None:
            before = len(self._set)
            self._set.add(name)
            if len(self._set) > _IN_MEMORY:
                self._file = self._moved()
                return True
            return len(self._set) > before
        try:
            new = self._file.execute("INSERT OR IGNORE INTO ids VALUES (?)", (_key(name),)).rowcount
        except sqlite3.Error as error:
            raise _full(error) from None
        self._in_file += new
        return new == 1

    def _moved(self) -> sqlite3.Connection:
        """The database with all that was in the set."""
        try:
            # Without a name SQLite makes a temporary file and removes it itself; ids may be read in another thread than the first.
            file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            file.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            file.execute("PRAGMA journal_mode = OFF")
            file.execute("CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID")
            file.execute("BEGIN")
            # In the order of the keys the tree grows at its end only.
            file.executemany("INSERT INTO ids VALUES (?)", ((key,) for key in sorted(map(_key, self._set))))
        except sqlite3.Error as error:
            raise _full(error) from None
        self._in_file = len(self._set)
        self._set.clear()
        return file


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


def _full(error: sqlite3.Error) -> SpladeLuceneError:
    return SpladeLuceneError(f"the ids seen so far could not be kept in the temporary folder ({error}); free disk space, or set TMPDIR")
