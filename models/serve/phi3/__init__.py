"""Phi-3 behind the protocol: transformers' continuous batching, one manager per adapter."""
