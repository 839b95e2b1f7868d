"""Reading results: statistics, summaries, selections, every table format."""
