"""The shop of the benchmarks: one table of orders for each way of tracking it."""
