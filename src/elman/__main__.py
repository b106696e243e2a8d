"""`python -m elman` is `elman`."""

from __future__ import annotations

from elman.cli.main import main

if __name__ == "__main__":
    main()
