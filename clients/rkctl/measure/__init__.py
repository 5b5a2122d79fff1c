"""What `bench` measures, what the vendor published for it, and what may explain a gap."""
