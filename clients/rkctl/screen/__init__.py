"""What is shown: tables, pairs, answers, progress, the line that waits."""
