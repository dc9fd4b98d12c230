"""The space-time memory network, in torch: its parts, named networks, weights files and export."""
