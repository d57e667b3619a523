"""What is measured, how, and how models are compared."""
