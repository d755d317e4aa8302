"""``external.metrics.k8s.io/v1beta1``: the aggregated API that the HPA asks, where KEDA is not."""
