"""Where live pictures come from: cameras, files, network streams, the screen, a drawn room."""
