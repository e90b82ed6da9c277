{{/* What the operator may do where it carries out UserInfoDeployments. To apply what is not there yet takes patch and create. */}}
{{- define "operator.rules" -}}
# Finds the objects to carry out, and puts its finalizer on them.
- apiGroups: [userinfo.bbs.dev]
  resources: [userinfodeployments]
  verbs: [get, list, watch, patch]
# Runs no Helm in a namespace that is being deleted.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# Reports what it found and did.
- apiGroups: [userinfo.bbs.dev]
  resources: [userinfodeployments/status]
  verbs: [patch]
# Applies, watches and removes the configuration, the identity and the addresses of the services, and watches those of the addons.
# Values for charts may stand in a ConfigMap. Makes the account as which Helm runs, and looks whether it is there.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
# Helm runs as this account, in all that it does.
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: [user-info-charts]
  verbs: [impersonate]
# Gives that account its rights, and lets a Prometheus that finds instances through Kubernetes look at pods.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings]
  verbs: [get, list, watch, create, patch, delete]
{{- if .Values.watchNamespaces }}
# Nobody may grant what he may not do himself, but for the one role that is named here.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles]
  resourceNames: [user-info-pods]
  verbs: [bind]
{{- else }}
# Nobody may grant what he may not do himself, but for the two roles that are named here.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  resourceNames: ["{{ include "operator.clusterName" . }}-charts", "{{ include "operator.clusterName" . }}-pods"]
  verbs: [bind]
{{- end }}
# Removes the Role that version 0.1.0 had its chart of Prometheus make.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles]
  verbs: [get, delete]
# The same for the services themselves; their replicas tell whether an object is Ready.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# Sees how far Consul, Prometheus, Grafana, MySQL and Redis are, which Helm installs.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [list, watch]
# The job that makes the tables in a managed MySQL.
- apiGroups: [batch]
  resources: [jobs]
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
  verbs: [get, list, patch]
# Sees how far Helm came, by the Secrets in which it keeps its releases. Says which Secret that an object names is missing, and takes values for
# charts from one. It writes none but as the account above.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# Tells the volumes of a managed MySQL apart, and removes those that are not to be kept.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, delete]
# Says what happened to an object; a repeated event is counted up by a patch.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- with .Values.rbac.extraRules }}
# Given as rbac.extraRules.
{{ toYaml . }}
{{- end }}
{{- end }}
