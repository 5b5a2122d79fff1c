"""The console: rkd in a browser. A client like any other, with the rights of who signed in."""
