"""The place of a command's figures in docs/performance.md."""

import pathlib
import re


def write(path, command, text):
    """Puts the text between the command's marks, or with them at the end of the file."""
    begin, end = f"<!-- begin: {command} -->", f"<!-- end: {command} -->"
    path = pathlib.Path(path)
    old = path.read_text() if path.exists() else "# Performance\n"
    new = f"{begin}\n{text}\n{end}"
    if begin in old:
        pattern = re.escape(begin) + ".*?" + re.escape(end)
        path.write_text(re.sub(pattern, lambda _: new, old, flags=re.DOTALL))
    else:
        path.write_text(f"{old.rstrip()}\n\n\n{new}\n")
