"""A hook of MkDocs: links to files outside the site keep their place in the repository as text."""

import posixpath
import re
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#\s]+)\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links that lead out of ``docs/`` into the path of their file.

    The same pages are read in the repository, where these links work.
    """
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def shown(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        return link[0] if target.startswith("docs/") else f"{link[1]} (`{target}`)"

    return _LINK.sub(shown, markdown)
