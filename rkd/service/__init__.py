"""The gRPC face: each file one service, translating requests and streams."""
