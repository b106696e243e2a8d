"""Recurrent networks for sequence data: readable, fast, and streaming."""
