"""What is trained: the new network, its tokens, losses and batches."""
