"""`partywall` and `python -m partywall`: the command, or a word on how to get it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; on a bare (SDK only) install say what to install."""
    try:
        from partywall.cli import app
    except ModuleNotFoundError as missing:
        sys.exit(
            f"partywall: the command needs {missing.name}, which the bare SDK install leaves out.\n"
            "why: `pip install partywall` brings only the SDK (standard library).\n"
            "fix: pip install 'partywall[all]'"
        )
    app()


if __name__ == "__main__":
    main()
