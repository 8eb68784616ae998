"""The window: the only part that knows napari and Qt."""
