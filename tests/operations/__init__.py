"""What those see and meet who look after it: metrics, alerts, traces, a cluster, faults at random."""
