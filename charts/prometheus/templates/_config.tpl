{{/* Drops "" of `targets` and says how the others are found: all addresses of a name. Takes [job, host:port]. */}}
{{- define "prometheus.dns" -}}
{{- $parts := splitList ":" (index . 1) -}}
- job_name: {{ index . 0 }}
  dns_sd_configs:
    - names: [{{ index $parts 0 | quote }}]
      type: A
      port: {{ index $parts 1 }}
      refresh_interval: 10s
{{- end }}

{{/* One of the two programs. Takes [root, job, name in Consul, component, name of the port with /metrics]. */}}
{{- define "prometheus.program" -}}
{{- $root := index . 0 -}}
{{- $discovery := $root.Values.discovery -}}
- job_name: {{ index . 1 }}
{{- if eq $discovery.mode "Consul" }}
  consul_sd_configs:
    - server: {{ required "discovery.mode Consul needs discovery.consul.address, such as demo-consul:8500" $discovery.consul.address | quote }}
      services: [{{ index . 2 }}]
      refresh_interval: 5s
      {{- if $discovery.consul.tokenSecret }}
      authorization: {credentials_file: {{ printf "/etc/prometheus/consul/%s" $discovery.consul.tokenKey | quote }}}
      {{- end }}
  relabel_configs:
    # The service's address is that of gRPC; the metadata names the port of /metrics.
    - source_labels: [__meta_consul_service_address, __meta_consul_service_metadata_http_port]
      separator: ":"
      regex: (.+):(\d+)
      target_label: __address__
      replacement: ${1}:{{ index . 4 | default "${2}" }}
    # An agent leaves out the service's address where it is its own.
    - source_labels: [__meta_consul_service_address, __meta_consul_address, __meta_consul_service_metadata_http_port]
      separator: ":"
      regex: :(.+):(\d+)
      target_label: __address__
      replacement: ${1}:{{ index . 4 | default "${2}" }}
    - source_labels: [__meta_consul_service_id]
      target_label: service_id
    - target_label: namespace
      replacement: {{ $root.Release.Namespace | quote }}
{{- else }}
  kubernetes_sd_configs:
    - role: pod
      namespaces: {own_namespace: true}
      selectors:
        - role: pod
          label: {{ printf "app.kubernetes.io/instance=%s,app.kubernetes.io/component=%s" ($root.Values.instance | default $root.Release.Name) (index . 3) | quote }}
  relabel_configs:
    - source_labels: [__meta_kubernetes_pod_container_init, __meta_kubernetes_pod_phase]
      regex: true;.*|.*;(Pending|Succeeded|Failed)
      action: drop
    - source_labels: [__meta_kubernetes_pod_container_port_name]
      regex: {{ index . 5 }}
      action: keep
    - source_labels: [__meta_kubernetes_namespace]
      target_label: namespace
    - source_labels: [__meta_kubernetes_pod_name]
      target_label: pod
{{- end }}
{{- end }}

{{- define "prometheus.config" -}}
{{- $namespace := .Release.Namespace -}}
global:
  scrape_interval: {{ .Values.scrapeInterval }}
  scrape_timeout: {{ .Values.scrapeInterval }}
  evaluation_interval: {{ .Values.evaluationInterval }}
rule_files: [alerts.yaml, extra.yaml]
{{- with .Values.alertmanagers }}
alerting:
  alertmanagers:
    - static_configs:
        - targets: {{- toYaml . | nindent 12 }}
{{- end }}
scrape_configs:
  {{- $metrics := int .Values.discovery.metricsPort }}
  {{- $override := ternary (toString $metrics) "" (gt $metrics 0) }}
  {{- include "prometheus.program" (list . "bbs-user-info" "bbs.user.info" "user-info" $override (ternary "metrics" "http" (gt $metrics 0))) | nindent 2 }}
  {{- include "prometheus.program" (list . "bbs-user-client" "bbs.user.client" "user-client" "" "metrics") | nindent 2 }}
  - job_name: prometheus
    static_configs:
      - targets: [localhost:{{ .Values.port }}]
        labels: {namespace: {{ $namespace | quote }}}
  {{- with .Values.targets.consul }}
  {{- include "prometheus.dns" (list "consul" .) | nindent 2 }}
    metrics_path: /v1/agent/metrics
    params: {format: [prometheus]}
    {{- if $.Values.discovery.consul.tokenSecret }}
    authorization: {credentials_file: {{ printf "/etc/prometheus/consul/%s" $.Values.discovery.consul.tokenKey | quote }}}
    {{- end }}
    relabel_configs:
      - {target_label: namespace, replacement: {{ $namespace | quote }}}
  {{- end }}
  {{- with .Values.targets.grafana }}
  {{- include "prometheus.dns" (list "grafana" .) | nindent 2 }}
    relabel_configs:
      - {target_label: namespace, replacement: {{ $namespace | quote }}}
  {{- end }}
  {{- with .Values.targets.operator }}
  {{- include "prometheus.dns" (list "user-info-operator" .) | nindent 2 }}
  {{- end }}
  {{- with .Values.extraScrapeConfigs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
