"""The command line: one file a command, imported lightly; files that start with an underscore are none."""
