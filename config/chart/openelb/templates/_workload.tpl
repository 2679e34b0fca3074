{{- /*
Puts the values of a component into its Deployment or DaemonSet: a dict of object, values and global. Prints nothing.
*/ -}}
{{- define "openelb.workload" -}}
{{- $spec := .object.spec }}
{{- if hasKey .values "replicas" }}
{{- $_ := set $spec "replicas" (int .values.replicas) }}
{{- end }}
{{- $pod := $spec.template.spec }}
{{- $secrets := list }}
{{- range .global.imagePullSecrets }}
{{- $secrets = append $secrets (dict "name" .) }}
{{- end }}
{{- range $field, $value := dict
      "affinity" .values.affinity
      "imagePullSecrets" $secrets
      "nodeSelector" .values.nodeSelector
      "priorityClassName" .values.priorityClass
      "tolerations" .values.tolerations
      "topologySpreadConstraints" .values.topologySpreadConstraints }}
{{- if $value }}
{{- $_ := set $pod $field $value }}
{{- else }}
{{- $_ := unset $pod $field }}
{{- end }}
{{- end }}
{{- $container := first $pod.containers }}
{{- $_ := set $container "image" (include "openelb.image" (dict "image" .values.image "global" .global)) }}
{{- $_ := set $container "imagePullPolicy" .values.image.pullPolicy }}
{{- $_ := set $container "resources" .values.resources }}
{{- if not .values.monitorSecure }}
{{- range list $container.livenessProbe $container.readinessProbe }}
{{- $_ := unset .httpGet "scheme" }}
{{- end }}
{{- end }}
{{- range $container.ports }}
{{- if eq .name "metrics" }}
{{- $_ := set . "containerPort" (int $.values.monitorPort) }}
{{- else if eq .name "webhook" }}
{{- $_ := set . "containerPort" (int $.values.webhookPort) }}
{{- end }}
{{- end }}
{{- /* For whom the program runs as, such a port is root's, unless its Pod says otherwise. */ -}}
{{- if and .values.webhookPort (lt (int .values.webhookPort) 1024) }}
{{- $_ := set $pod.securityContext "sysctls" (list (dict "name" "net.ipv4.ip_unprivileged_port_start" "value" "0")) }}
{{- end }}
{{- /* Arguments that a value decides; the others stay as they are. */ -}}
{{- $flags := dict
      "--metrics-addr" (printf ":%d" (int .values.monitorPort))
      "--api-hosts" .values.apiHosts
      "--webhook-port" (int .values.webhookPort)
      "--enable-keepalived-vip" .values.vip
      "--enable-layer2" .values.layer2 }}
{{- $args := list }}
{{- range without $container.args ($.values.monitorSecure | ternary "" "--metrics-secure") }}
{{- $flag := first (splitList "=" .) }}
{{- $args = append $args (hasKey $flags $flag | ternary (printf "%s=%v" $flag (get $flags $flag)) .) }}
{{- end }}
{{- if .values.defaultEip }}
{{- $args = append $args "--default-eip-webhook" }}
{{- end }}
{{- $_ := set $container "args" (concat $args (.values.extraArgs | default list)) }}
{{- end }}

{{- define "openelb.image" -}}
{{- with .global.imageRegistry | default .image.registry }}{{ trimSuffix "/" . }}/{{ end }}
{{- .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .global.tag | default .image.tag }}{{ end }}
{{- end }}
