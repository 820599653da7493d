"""The engine on Hugging Face transformers, in this process."""
