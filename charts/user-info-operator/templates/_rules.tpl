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
# Applies, watches and removes the configuration, the identity and the addresses of the services; Helm those of the addons.
# Values for charts may stand in a ConfigMap.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
# The same for the services themselves; their replicas tell whether an object is Ready.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# The same for Consul, Prometheus, Grafana, MySQL and Redis, which Helm installs.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
# The job that makes the tables in a managed MySQL.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# The same for the autoscaler of `autoscaling.mode: Managed`.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, create, patch, delete]
# The same for what `disruption` asks for, and for three Consul servers, of which one may be down.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# The same for what `networkPolicy` asks for.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch, delete]
# The same for `addons.prometheus.serviceMonitor`, where the cluster knows the kind.
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [list, watch, create, patch, delete]
# Lets a Prometheus that finds instances through Kubernetes look at pods.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
# Finds out why pods do not start, and annotates those to which the kubelet is to bring a new configuration at once. Nobody may grant what he
# may not do himself, so what that Prometheus may, get and watch, stands here too.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# Helm keeps its releases in Secrets, and makes those with the passwords of the addons. Says which Secret that an object names is missing.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, update, patch, delete]
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
