"""The workbench: `python -m benchmarks` checks every kernel, then times it beside its rivals. See docs/native-engine.md."""
