"""Who is resident, who waits, who leaves and where a model runs: pure, told the time."""
