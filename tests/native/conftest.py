"""Each test starts from the same threads and instruction set; `isa` is each instruction set in turn."""

from tests.native.settings import isa, settings

__all__ = ["isa", "settings"]
