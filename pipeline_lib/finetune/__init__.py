"""Fine-tuning: CoN-CLIP's losses on a frozen image tower (paper, section 4)."""
