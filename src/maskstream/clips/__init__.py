"""Training clips, made on tensors: sampled, pasted, warped and recoloured."""
