"""The metrics as text, for whoever collects them.

Of a line only its value changes. What stands before it, names and labels, is written by the library when the
line is first seen, and kept: to sort, check and escape the labels of every line at every look is nearly all
of the work. What is kept grows with the lines and no further, and labels are bounded.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

__all__ = ["CONTENT_TYPE_LATEST", "Exposition"]

#: The values of labels, and what has them.
_Children = Mapping[Sequence[str], MetricWrapperBase]


class Exposition:
    """What a registry says, in Prometheus's text format."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._kept: dict[Collector, _Kept] = {}

    def text(self) -> bytes:
        """Every metric as it is now."""
        collectors = list(self._registry._collector_to_names)
        return "".join(piece for each in collectors for piece in self._written(each)).encode()

    def _written(self, collector: Collector) -> Iterator[str]:
        if not isinstance(collector, MetricWrapperBase):  # it counts anew what its lines are
            return iter([generate_latest(collector).decode()])
        if collector not in self._kept:
            self._kept[collector] = _Kept(collector)
        return self._kept[collector].written()


class _Kept:
    """What stands above the lines of a metric, and before the value of each."""

    def __init__(self, metric: MetricWrapperBase) -> None:
        self._metric = metric
        self._head = _text({}, metric)
        self._starts: dict[Sequence[str], list[str]] = {}

    def written(self) -> Iterator[str]:
        """The metric as it is now."""
        metric, starts = self._metric, self._starts
        children: _Children = metric._metrics.copy() if metric._labelnames else {(): metric}
        for new in children.keys() - starts.keys():
            lines = _text({new: children[new]}, metric).removeprefix(self._head).rstrip("\n").split("\n")
            starts[new] = [line[: line.rindex(" ") + 1] for line in lines]
        yield self._head
        for labels, child in children.items():
            for start, sample in zip(starts[labels], child._child_samples(), strict=True):
                yield f"{start}{floatToGoString(sample.value)}\n"  # type: ignore[no-untyped-call]


class _Alone(Collector):
    """One metric and no other."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return [self._metric]


def _text(children: _Children, parent: MetricWrapperBase) -> str:
    """Lines of a metric as the library writes them, for some of what it has."""
    [metric] = parent.describe()
    for values, child in children.items():
        labels = dict(zip(parent._labelnames, values, strict=True))
        for suffix, more, value, *_ in child._child_samples():
            metric.add_sample(metric.name + suffix, {**labels, **more}, value)
    return generate_latest(_Alone(metric)).decode()
