"""Training data: pictures, random views of them, and questions with answers."""
