"""What repeats: duplicates, boilerplate, evaluation texts, instruction rows."""
