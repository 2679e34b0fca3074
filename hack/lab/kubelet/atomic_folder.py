"""A folder whose files change all at once, laid out as a kubelet does it:

    NAME -> ..data/NAME      a link for each file, there from the start
    ..data -> ..2_1          renamed over when a new version stands complete
    ..2_1/NAME               the files

A reader sees the old files or the new ones, and inotify sees one rename of `..data`.
"""

import os
import shutil
from typing import NamedTuple


class File(NamedTuple):
    content: bytes
    mode: int


def write(folder, files, uid=-1, gid=-1):
    """Makes `folder` hold exactly {path: File}; does nothing when it does already."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "..data"
    old = os.readlink(data) if data.is_symlink() else None
    if old is not None and _read(folder / old) == files:
        return
    new = f"..{int(old[2:]) + 1 if old else 1}"
    shutil.rmtree(folder / new, ignore_errors=True)  # of one that was interrupted
    (folder / new).mkdir()
    for path, file in files.items():
        target = folder / new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
        os.chown(target, uid, gid)
    draft = folder / "..data_tmp"
    draft.unlink(missing_ok=True)
    draft.symlink_to(new)
    draft.rename(data)
    names = {path.split("/")[0] for path in files}
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    if old is not None:
        shutil.rmtree(folder / old)


def _read(folder):
    return {str(path.relative_to(folder)): File(path.read_bytes(), path.stat().st_mode & 0o7777)
            for path in folder.rglob("*") if path.is_file()}
