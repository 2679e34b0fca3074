import pytest

from lab import yaml_subset

EVERYTHING = """\
# a comment
kind: Service
metadata:
  name: web   # trailing
  annotations: {lb.kubesphere.io/v1alpha1: openelb, "a b": 'q # r'}
  labels: {}
spec:
  ports:
  - name: http
    port: 80
    nodes: [a, {b: c}, "x"]
  -
    x: 1
  text: |
    abc
    def
  time: 2026-01-01T00:00:00Z
  address: 172.22.0.2-172.22.0.10
  six: fd00::1
  empty:
  minus: -1
  on: true
---
---
a: b
--- # third
- 1
- - 2
  - 3
"""


def test_reads_what_manifests_use():
    service, second, third = yaml_subset.load_all(EVERYTHING)
    assert service["metadata"] == {
        "name": "web", "annotations": {"lb.kubesphere.io/v1alpha1": "openelb", "a b": "q # r"}, "labels": {}}
    assert service["spec"] == {
        "ports": [{"name": "http", "port": 80, "nodes": ["a", {"b": "c"}, "x"]}, {"x": 1}],
        "text": "abc\ndef\n", "time": "2026-01-01T00:00:00Z", "address": "172.22.0.2-172.22.0.10",
        "six": "fd00::1", "empty": None, "minus": -1, "on": True}
    assert second == {"a": "b"}
    assert third == [1, [2, 3]]


def test_what_it_writes_it_reads_back():
    documents = yaml_subset.load_all(EVERYTHING) + [{"text": "yes: no", "number": "80", "none": None, "list": []}]
    assert yaml_subset.load_all(yaml_subset.dump_all(documents)) == documents


@pytest.mark.parametrize("text", ["a: 1\n   b: 2", "a: 1\nb", "a: [1, 2"])
def test_refuses_what_it_cannot_read(text):
    with pytest.raises((ValueError, IndexError)):
        yaml_subset.load_all(text)
