"""Folders in an object store that fsspec reaches: a local folder, or anything that speaks S3. RUN_FORMAT.md draws it.

    <kind>/<name>@<version>.json             the manifest: every file's name, size, sha256 and object. Writing it is the commit
    objects/<name>/<writer>/<sha256>         the objects, written before it, named by content

A store has no rename. Objects therefore come first, below a name that only this writer uses, and the manifest comes as
one last PUT that fails where somebody else wrote that version (If-None-Match; a hard link in a local folder). A reader
sees only what a manifest names, the newest version of it, and checks every object against it. Deleting takes the
manifests first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from matrep_core import limits
from matrep_core.errors import MatRepError, NotReached, NotThere, RunBroken, RunBusy, SettingRefused
from matrep_core.runs.files import parse_json, sync_folder

FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_OBJECT = re.compile(r"[0-9a-f]{16}/[0-9a-f]{64}")
_VERSION = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,79})@(?P<version>\d{6})\.json")
_BLOCK = 2**20


@dataclass(frozen=True)
class Entry:
    """One file: its size, its sha256, and the object below objects/<name>/ that holds it."""

    bytes: int
    sha256: str
    object: str


@dataclass(frozen=True)
class Manifest:
    """One committed version of a folder; ``identity`` tells a later state of it from another one of its name."""

    kind: str
    name: str
    version: int
    identity: str
    writer: str
    files: Mapping[str, Entry]
    facts: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        files = {name: vars(entry) for name, entry in sorted(self.files.items())}
        record = {"format": FORMAT, "identity": self.identity, "writer": self.writer, "facts": dict(self.facts), "files": files}
        return json.dumps(record, allow_nan=False, indent=1).encode()


class ObjectStore:
    """A place for committed folders. Raises SettingRefused for an address that cannot be used, NotReached where nothing answers."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        if not url or "::" in url or "@" in url or "?" in url:
            mend = "give a folder or an address such as s3://bucket/folder; keys and passwords come from the environment."
            raise SettingRefused("store", url.rpartition("@")[2], mend)
        if not find_spec("fsspec"):
            raise SettingRefused("store", url, "fsspec is not installed here; install requirements-cluster.txt.")
        with self._asking():
            from fsspec.core import url_to_fs

            try:
                self._fs, self._root = url_to_fs(self.url, use_listings_cache=False)
            except (ValueError, ImportError) as error:
                raise SettingRefused("store", url, f"{error}. Install requirements-cluster.txt, or give another address.") from None
        self._local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Whatever a store's own library raises becomes one sentence: each has its own errors, and not all are OSError."""
        try:
            yield
        except MatRepError:
            raise
        except Exception as error:
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise NotReached(f"The store {self.url} does not do what it is asked: {words}. Check its address, its keys and its rights.") from None

    def _path(self, *parts: str) -> str:
        return "/".join([self._root.rstrip("/"), *parts])

    # --- reading ----------------------------------------------------------------------------------------------

    def versions(self, kind: str) -> dict[str, list[int]]:
        """The names of that kind that are committed, each with its versions, the newest last."""
        with self._asking():
            try:
                listed = self._fs.ls(self._path(kind), detail=False)
            except FileNotFoundError:
                return {}
        found: dict[str, list[int]] = {}
        for path in sorted(listed):
            if match := _VERSION.fullmatch(path.rstrip("/").rpartition("/")[2]):
                found.setdefault(match["name"], []).append(int(match["version"]))
        return found

    def _versions_of(self, kind: str, name: str) -> list[int]:
        if not NAME.fullmatch(name):
            raise NotThere(f"There is no {name[:80]!r} in the store.")
        return self.versions(kind).get(name, [])

    def newest(self, kind: str, name: str) -> Manifest:
        """The manifest that is valid now; raises NotThere for a name that is not committed, RunBroken for a malformed one."""
        versions = self._versions_of(kind, name)
        if not versions:
            raise NotThere(f"There is no {name!r} in the store {self.url}.")
        return self._manifest(kind, name, versions[-1])

    def _manifest(self, kind: str, name: str, version: int) -> Manifest:
        with self._asking():
            try:
                path = self._path(kind, f"{name}@{version:06d}.json")
                size = int(self._fs.info(path)["size"])
                content = self._fs.cat_file(path, start=0, end=size) if 0 < size <= limits.MAX_RUN_TEXT_BYTES else b""
            except FileNotFoundError:
                raise NotThere(f"{name} was just removed from the store {self.url}.") from None
        try:
            if not content:
                raise ValueError("it is empty or too long")
            record = parse_json(content)
            if record["format"] != FORMAT or record.keys() != {"format", "identity", "writer", "facts", "files"}:
                raise ValueError("its format is another one")
            files = {str(n): Entry(**entry) for n, entry in record["files"].items()}
            for entry in files.values():
                if type(entry.bytes) is not int or entry.bytes < 0 or not _OBJECT.fullmatch(entry.object):
                    raise ValueError("an entry is no object of it")
                if not entry.object.endswith(entry.sha256) or len(entry.sha256) != 64:
                    raise ValueError("an object is not named by its content")
            facts = {str(k)[:80]: str(v)[:200] for k, v in record["facts"].items()}
            return Manifest(kind, name, version, str(record["identity"]), str(record["writer"]), files, facts)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunBroken(f"The manifest of {name} in the store is damaged: {error}.") from None

    def fetch(self, manifest: Manifest, folder: Path, most_bytes: int) -> None:
        """Write the files of a manifest into the new ``folder``, each checked; raises RunBroken at the first that does not fit.

        The names must have been checked by the caller: they become paths below ``folder``.
        """
        if sum(entry.bytes for entry in manifest.files.values()) > most_bytes:
            raise RunBroken(f"{manifest.name} in the store is larger than {most_bytes // 2**20:,} MiB, which no such folder is.")
        for name, entry in sorted(manifest.files.items()):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            digest, left = hashlib.sha256(), entry.bytes
            with self._asking():
                try:
                    source = self._fs.open(self._path("objects", manifest.name, entry.object), "rb")
                except FileNotFoundError:
                    raise RunBroken(f"{manifest.name}/{name} is missing in the store.") from None
                with source, target.open("xb") as file:
                    while block := source.read(_BLOCK):
                        left -= len(block)
                        if left < 0:
                            break
                        digest.update(block)
                        file.write(block)
            if left or digest.hexdigest() != entry.sha256:
                raise RunBroken(f"{manifest.name}/{name} in the store does not match its manifest. Push it again, or delete it there.")

    # --- writing ----------------------------------------------------------------------------------------------

    def commit(self, kind: str, name: str, files: Mapping[str, Path], identity: str, facts: Mapping[str, str]) -> Manifest:
        """Store ``files``, their names in the folder and where they lie here, as the next version of ``name``.

        What the store holds already is not sent again. Raises RunBusy where the name belongs to another folder, or where
        another writer was first; nothing of this one is visible then.
        """
        versions = self._versions_of(kind, name)
        before = self._manifest(kind, name, versions[-1]) if versions else None
        if before and before.identity != identity:
            raise RunBusy(f"The store {self.url} has another {name!r} already. Rename this one, or delete that one first.")
        there = {entry.sha256: entry for entry in before.files.values()} if before else {}
        writer, entries = secrets.token_hex(8), {}
        try:
            for file_name, path in sorted(files.items()):
                content = path.read_bytes()
                digest = hashlib.sha256(content).hexdigest()
                if digest not in there:
                    there[digest] = Entry(len(content), digest, f"{writer}/{digest}")
                    with self._asking():
                        self._put(self._path("objects", name, there[digest].object), content)
                entries[file_name] = there[digest]
            if before and before.files == entries:
                return before
            manifest = Manifest(kind, name, (versions[-1] if versions else 0) + 1, identity, writer, entries, facts)
            self._put_manifest(manifest)
        except BaseException:
            with suppress(MatRepError):
                self._remove(self._path("objects", name, writer))
            raise
        self._drop_older(manifest, versions)
        return manifest

    def _put(self, path: str, content: bytes) -> None:
        if not self._local:
            self._fs.pipe_file(path, content)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(Path(path).parent)

    def _put_manifest(self, manifest: Manifest) -> None:
        """The commit. Whoever reads back another writer's manifest has lost."""
        path = self._path(manifest.kind, f"{manifest.name}@{manifest.version:06d}.json")
        failure: Exception | None = None
        try:
            self._create(path, manifest.content())
        except Exception as error:  # refused, or answered too late: what stands there tells
            failure = error
        try:
            mine = self._manifest(manifest.kind, manifest.name, manifest.version).writer == manifest.writer
        except NotThere:
            with self._asking():
                raise failure or FileNotFoundError(f"{manifest.name} was removed at once") from None
        if not mine:
            raise RunBusy(f"Another writer stored {manifest.name!r} at the same moment. Push again to replace it.")

    def _create(self, path: str, content: bytes) -> None:
        """Write an object that must not be there yet, whole or not at all."""
        if self._local:
            temporary = self._path(".unfinished", secrets.token_hex(8))
            self._put(temporary, content)
            try:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                os.link(temporary, path)
                sync_folder(Path(path).parent)
            finally:
                os.unlink(temporary)
            return
        try:
            self._fs.pipe_file(path, content, mode="create")
        except (NotImplementedError, ValueError, TypeError):  # a store without conditional writes
            if self._fs.exists(path):
                raise FileExistsError(path) from None
            self._fs.pipe_file(path, content)

    def _drop_older(self, manifest: Manifest, versions: list[int]) -> None:
        """Take what the new version replaces, its manifests first; what cannot be taken only costs room."""
        with suppress(MatRepError):
            old = [self._manifest(manifest.kind, manifest.name, version) for version in versions]
            for version in versions:
                self._remove(self._path(manifest.kind, f"{manifest.name}@{version:06d}.json"))
            kept = {entry.object for entry in manifest.files.values()}
            for object_ in {entry.object for each in old for entry in each.files.values()} - kept:
                self._remove(self._path("objects", manifest.name, object_))

    def delete(self, kind: str, name: str) -> None:
        """Remove a folder for good, its manifests first, then all its objects, also those of unfinished uploads."""
        versions = self._versions_of(kind, name)
        if not versions:
            raise NotThere(f"There is no {name!r} in the store {self.url}.")
        for version in versions:
            self._remove(self._path(kind, f"{name}@{version:06d}.json"))
        self._remove(self._path("objects", name))

    def _remove(self, path: str) -> None:
        with self._asking(), suppress(FileNotFoundError):
            self._fs.rm(path, recursive=True)
