"""The network: material vectors -> mixture vector -> property."""
