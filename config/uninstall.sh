#!/bin/sh
# Takes OpenELB out of the cluster that kubectl points to, so that nothing of it is left on anybody's objects and nothing
# gets stuck, whether the controllers still run or not: speakers withdraw what they announce, Services lose address, label,
# finalizer and condition, our own objects their finalizers. It may be repeated.
#   sh uninstall.sh [-n NAMESPACE] [--keep-objects]
# NAMESPACE: where OpenELB is (openelb-system). --keep-objects: Eips, BgpConfs, BgpPeers and OpenELBs stay for another installation.
# What was applied goes afterwards as it came: kubectl delete --ignore-not-found -k, or helm uninstall.
set -eu

namespace=openelb-system
keep=
usage() {
  echo "uninstall.sh: \"$1\": ${2:-not known}; usage: uninstall.sh [-n NAMESPACE] [--keep-objects]" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    -n | --namespace)
      [ $# -gt 1 ] || usage "$1" "a namespace is missing"
      namespace=$2
      shift
      ;;
    --keep-objects) keep=1 ;;
    *) usage "$1" ;;
  esac
  shift
done

say() { echo "uninstall: $*"; }
quietly() { "$@" 2>/dev/null || true; } # what is gone already is well
here() { kubectl -n "$namespace" "$@"; }

kubectl version >/dev/null || { echo "uninstall.sh: the cluster cannot be reached" >&2; exit 1; }

say "webhooks"
kubectl delete validatingwebhookconfigurations,mutatingwebhookconfigurations -l app=openelb

# Nodes that the DaemonSet no longer chooses: their speakers ask routers to move off, then withdraw and leave. Those of a
# Deployment, such as PorterLB's, leave whenever they stop.
say "speakers leave their nodes"
for workload in $(here get daemonsets,deployments -l app=openelb,component=speaker -o name); do
  case $workload in
    daemonset*)
      here patch "$workload" --type=merge \
        -p '{"spec":{"template":{"spec":{"nodeSelector":{"openelb.kubesphere.io/uninstalled":"true"}}}}}'
      ;;
    *) here scale "$workload" --replicas=0 ;;
  esac
done
quietly here wait pod -l app=openelb,component=speaker --for=delete --timeout=120s
say "controllers stop" # before the DaemonSet goes: for an OpenELB object they would make it anew
here delete deployments -l app=openelb,component=controller
quietly here wait pod -l app=openelb,component=controller --for=delete --timeout=60s
here delete daemonsets,deployments -l app=openelb,component=speaker
here delete lease/openelb-controller secret/openelb-controller-tls \
  configmap/openelb-controllers configmap/openelb-controller-state --ignore-not-found

label=eip.openelb.kubesphere.io/v1alpha2
finalizer=finalizer.lb.kubesphere.io/v1alpha1
# Namespace, name, the index of our condition and of our finalizer (- for none), "marked" for a Service of ours.
services='{{range .items}}{{$condition := "-"}}{{range $i, $c := .status.conditions}}{{if eq $c.type "AddressPending"}}{{$condition = $i}}{{end}}{{end -}}
{{$finalizer := "-"}}{{range $i, $f := .metadata.finalizers}}{{if eq $f "'$finalizer'"}}{{$finalizer = $i}}{{end}}{{end -}}
{{$marked := "-"}}{{if .metadata.labels}}{{if index .metadata.labels "'$label'"}}{{$marked = "marked"}}{{end}}{{end -}}
{{.metadata.namespace}} {{.metadata.name}} {{$condition}} {{$finalizer}} {{$marked}}
{{end}}'
say "Services"
kubectl get services -A -o go-template="$services" | while read -r where name condition index marked; do
  [ "$condition $index $marked" != "- - -" ] || continue
  say "service $where/$name"
  if [ "$marked" = marked ] || [ "$index" != - ]; then
    quietly kubectl -n "$where" patch service "$name" --subresource=status --type=merge -p '{"status":{"loadBalancer":{"ingress":null}}}'
    quietly kubectl -n "$where" label service "$name" "$label-"
  fi
  if [ "$condition" != - ]; then
    at=/status/conditions/$condition
    quietly kubectl -n "$where" patch service "$name" --subresource=status --type=json \
      -p '[{"op":"test","path":"'"$at"'/type","value":"AddressPending"},{"op":"remove","path":"'"$at"'"}]'
  fi
  if [ "$index" != - ]; then
    at=/metadata/finalizers/$index
    quietly kubectl -n "$where" patch service "$name" --type=json \
      -p '[{"op":"test","path":"'"$at"'","value":"'"$finalizer"'"},{"op":"remove","path":"'"$at"'"}]'
  fi
done

for kind in eips bgpconfs bgppeers openelbs; do
  resource=$kind.network.kubesphere.io
  kubectl get crd "$resource" >/dev/null 2>&1 || continue
  say "$kind"
  [ -n "$keep" ] || kubectl delete "$resource" --all --wait=false
  for name in $(kubectl get "$resource" -o name); do
    quietly kubectl patch "$name" --type=merge -p '{"metadata":{"finalizers":null}}'
    [ -z "$keep" ] || quietly kubectl patch "$name" --subresource=status --type=merge -p '{"status":null}'
  done
done
say "done; what was applied goes as it came: kubectl delete --ignore-not-found -k, or helm uninstall"
