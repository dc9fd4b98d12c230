"""Where a network runs: the three calls that streaming asks for, on ONNX Runtime or PyTorch."""
