"""Where the caches of this user lie."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return where this user's caches of autoencode lie; it need not exist."""
    local = (
        os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    )
    return Path(local) / "autoencode"
