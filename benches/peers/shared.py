"""What benches/scale has and this uses too: the cluster, its API server, and questions.

Modules here come first in the search; those of benches/scale are found after them.
"""

import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
HERE = REPOSITORY / "benches/peers"
sys.path.append(str(REPOSITORY / "benches/scale"))

import api  # noqa: E402
import cluster  # noqa: E402
import dns  # noqa: E402
import load  # noqa: E402
import objects  # noqa: E402
import section  # noqa: E402

__all__ = ["HERE", "REPOSITORY", "api", "cluster", "dns", "load", "objects", "section"]
