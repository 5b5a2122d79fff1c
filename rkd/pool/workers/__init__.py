"""Worker processes as the daemon sees them: started, spoken with, ended."""
