"""What every program of ours that speaks HTTP shares: settings, listening, who is let in."""
