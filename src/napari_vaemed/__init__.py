"""Chest CT in napari: lungs, nodules, their VAE posteriors and nearest known nodules."""

__version__ = "0.1.0"
