{{/* What Helm may do in a namespace, as the account `user-info-charts`: what the charts take that come with the operator, and nothing about
rights. Whoever may edit the namespace may use the account. To apply what is not there yet takes patch and create. */}}
{{- define "operator.chartRules" -}}
# Keeps releases, and what the charts make up: passwords and keys.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, create, update, patch, delete]
# Configuration, identity and addresses of the addons.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, create, patch, delete]
# Consul, Prometheus, Grafana, MySQL and Redis themselves.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, create, patch, delete]
# Three or five Consul servers, of which one may be down.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, create, patch, delete]
{{- with .Values.charts.extraRules }}
# Given as charts.extraRules.
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What a Prometheus may do that finds instances through Kubernetes. */}}
{{- define "operator.podRules" -}}
# Finds the instances of its namespace.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}
