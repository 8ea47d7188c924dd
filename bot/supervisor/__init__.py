"""Runs the product's processes on one machine: what there is to run, and keeping it running."""
