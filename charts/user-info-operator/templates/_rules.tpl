{{/* What the operator may do where it carries out UserInfoDeployments. To apply what is not there yet takes patch and create. */}}
{{- define "operator.rules" -}}
# Finds the objects to carry out, and puts its finalizer on them.
- apiGroups: [userinfo.bbs.dev]
  resources: [userinfodeployments]
  verbs: [get, list, watch, patch]
# Reports what it found and did.
- apiGroups: [userinfo.bbs.dev]
  resources: [userinfodeployments/status]
  verbs: [patch]
# Applies, watches and removes the configuration, the identity and the addresses of the services.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [list, watch, create, patch, delete]
# The same for the services themselves; their replicas tell whether an object is Ready.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# The same for the autoscaler of `autoscaling.mode: Managed`.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, create, patch, delete]
# The same for what `disruption` asks for.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
# The same for what `networkPolicy` asks for.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch, delete]
# The same for `addons.prometheus.serviceMonitor`, where the cluster knows the kind.
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [list, watch, create, patch, delete]
# Finds out why pods do not start, and annotates those to which the kubelet is to bring a new configuration at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, patch]
# Says which Secret that an object names is missing, or lacks a key.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
# Says what happened to an object; a repeated event is counted up by a patch.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- with .Values.rbac.extraRules }}
# Given as rbac.extraRules.
{{ toYaml . }}
{{- end }}
{{- end }}
