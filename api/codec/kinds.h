#pragma once
// The decoders of single kinds. `root` is the whole document; metadata has been read into `meta`.
// They report what is wrong into the root's findings and then return whatever they have.

#include "api/codec/field.h"
#include "api/object.h"

namespace openelb::codec {

kube::ObjectMeta DecodeMeta(const Field& metadata);
kube::LabelSelector DecodeLabelSelector(const Field& selector);

Object DecodeService(kube::ObjectMeta meta, const Field& root);
Object DecodeNamespace(kube::ObjectMeta meta, const Field& root);
Object DecodeNode(kube::ObjectMeta meta, const Field& root);
Object DecodeEndpointSlice(kube::ObjectMeta meta, const Field& root);
Object DecodeDaemonSet(kube::ObjectMeta meta, const Field& root);
Object DecodeConfigMap(kube::ObjectMeta meta, const Field& root);
Object DecodeSecret(kube::ObjectMeta meta, const Field& root);
Object DecodeEip(kube::ObjectMeta meta, const Field& root);
Object DecodeBgpConf(kube::ObjectMeta meta, const Field& root);
Object DecodeBgpPeer(kube::ObjectMeta meta, const Field& root);
Object DecodeOpenElb(kube::ObjectMeta meta, const Field& root);
// The spec of a BgpPeer, or of a peer group, which is part of one. Nothing need be given.
network::BgpPeer DecodePeerSpec(const Field& spec);

// nodeSelector, required node affinity and tolerations of a Pod's spec, or of what has the same
// fields; the rest of the DaemonSet stays as it is made.
kube::DaemonSet DecodePodPlacement(const Field& pod);

}  // namespace openelb::codec
