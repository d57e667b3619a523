"""What a run would do, what changed, what an artifact was made from: answers that change nothing."""
